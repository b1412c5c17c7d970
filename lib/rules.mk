# SPDX-License-Identifier: GPL-2.0-or-later
# libdmuser: every .c of this directory. Its users link $(lib_archive).

lib_archive := $(BUILD)/lib/libdmuser.a
lib_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard lib/*.c)))
programs += $(lib_archive)

DMU_LDFLAGS := -pthread -Wl,-z,relro,-z,now,-z,noexecstack

$(lib_archive): $(lib_objects)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcsD $@ $^
