# SPDX-License-Identifier: GPL-2.0-or-later
# dmuser-watch: static, because it must need no file of the device whose daemon it restarts.

watch_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard watch/*.c)))
# How dmuserctl starts a daemon and reads the kernel's status, and how daemons meet.
watch_objects += $(addprefix $(BUILD)/handover/,ctl_copy.o ctl_daemon.o ctl_kstatus.o ctl_number.o ctl_open.o ctl_program.o ctl_run.o \
	launch.o peer.o)

programs += $(BUILD)/bin/dmuser-watch

$(BUILD)/bin/dmuser-watch: $(watch_objects) $(lib_archive)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -static-pie $(DMU_LDFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/tests/unit/test_watch: $(BUILD)/watch/delay.o
