# SPDX-License-Identifier: GPL-2.0-or-later
# dmuser-watch: static, because it must need no file of the device whose daemon it restarts.

watch_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard watch/*.c)))

programs += $(BUILD)/bin/dmuser-watch

$(BUILD)/bin/dmuser-watch: $(watch_objects) $(archives)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -static-pie $(DMU_LDFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/tests/unit/test_watch: $(BUILD)/watch/delay.o
