# SPDX-License-Identifier: GPL-2.0-or-later
# dmuser-second: static, because it must need no file of the root it serves.

second_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard second_stage/*.c)))

programs += $(BUILD)/bin/dmuser-second

$(BUILD)/bin/dmuser-second: $(second_objects) $(daemon_objects) $(lib_archive)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -static-pie $(DMU_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp -lcap
