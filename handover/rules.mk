# SPDX-License-Identifier: GPL-2.0-or-later
# The protocol: the messages between two daemons, and the decisions that follow.

handover_archive := $(BUILD)/handover/handover.a

$(handover_archive): $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard handover/*.c)))
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcsD $@ $^
