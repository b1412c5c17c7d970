# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon that both stages link (all but ctl*.c), and dmuserctl (ctl*.c).

daemon_objects := $(patsubst %.c,$(BUILD)/%.o,$(filter-out handover/ctl%,$(sort $(wildcard handover/*.c))))
ctl_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard handover/ctl*.c))) $(BUILD)/handover/peer.o

ifneq ($(ctl_objects),)
programs += $(BUILD)/bin/dmuserctl
endif

$(BUILD)/bin/dmuserctl: $(ctl_objects) $(lib_archive)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pie $(DMU_LDFLAGS) $(LDFLAGS) -o $@ $^ -ldevmapper -ljansson
