# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon that both stages are made of.

daemon_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard daemon/*.c)))
