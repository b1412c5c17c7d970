# SPDX-License-Identifier: GPL-2.0-or-later
# dmuser-first: static, because it starts before any library is there.

first_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard first_stage/*.c)))

programs += $(BUILD)/bin/dmuser-first

$(BUILD)/bin/dmuser-first: $(first_objects) $(daemon_objects) $(archives)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -static-pie $(DMU_LDFLAGS) $(LDFLAGS) -o $@ $^
