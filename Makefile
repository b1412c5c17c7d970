# SPDX-License-Identifier: GPL-2.0-or-later
# dmuser: `make run` boots the demonstration, `make test` runs every test.
# `make help` lists the rest. Build output goes below $(BUILD).

MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

BUILD ?= build
KERNEL ?= 6.12
# Debian's kernels, see tools/fetch. Modules for OWN_KERNELS are built with this machine's tools.
OWN_KERNELS := 6.1 6.12
KERNELS := $(OWN_KERNELS) trixie backports
# KERNEL or a goal may also name any other version in Debian, such as 7.2.
stock_kernels := $(sort $(KERNELS) $(filter 6.% 7.%,$(KERNEL) $(MAKECMDGOALS:vm-%=%)))
UML_KERNELS := uml-6.1 uml-6.12
known_kernels := $(KERNELS) $(UML_KERNELS) debug kcsan
ifneq ($(filter-out $(known_kernels) 6.% 7.%,$(KERNEL)),)
$(error KERNEL=$(KERNEL) is none of $(known_kernels), nor another version in Debian, such as 7.2)
endif
VERSION := 0.1.0

CC ?= gcc
CFLAGS ?= -O2 -g
HARDEN := -fstack-protector-strong -fstack-clash-protection -Wformat -Werror=format-security
# CFLAGS or CPPFLAGS may already set _FORTIFY_SOURCE, as those of dpkg-buildflags do.
HARDEN += $(if $(findstring _FORTIFY_SOURCE,$(CFLAGS) $(CPPFLAGS)),,-D_FORTIFY_SOURCE=3)
HARDEN += $(if $(filter x86_64%,$(shell $(CC) -dumpmachine)),-fcf-protection)
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
WARN += -Wno-missing-field-initializers -Werror
DMU_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DDMU_VERSION='"$(VERSION)"' -Ikernel/uapi -I. $(WARN) \
	$(HARDEN) -pthread

programs :=
unit_tests :=

all: programs

# If a folder is missing, its targets are missing, and all others work.
-include lib/rules.mk
-include handover/rules.mk
-include rundir/rules.mk
-include daemon/rules.mk
-include ctl/rules.mk
-include first_stage/rules.mk
-include second_stage/rules.mk
-include watch/rules.mk
-include tools/rules.mk
-include demo/rules.mk
-include sepolicy/rules.mk
-include tests/rules.mk

programs: $(programs)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(DMU_CFLAGS) $(CFLAGS) $(CPPFLAGS) -fPIE -MMD -MP -c -o $@ $<

dependency_folders := pic lib handover rundir daemon first_stage second_stage ctl watch tests \
	demo tools
-include $(shell find $(addprefix $(BUILD)/,$(dependency_folders)) -type f -name '*.d' 2>/dev/null)

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^## //p' $(wildcard demo/rules.mk tests/rules.mk tests/*/rules.mk */*.mk) | \
		awk '!seen[$$0]++'

.PHONY: all programs clean help
