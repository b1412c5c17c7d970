# SPDX-License-Identifier: GPL-2.0-or-later
# libdmuser: every .c of this directory and of backends/. Its users link $(lib_archive).

lib_archive := $(BUILD)/lib/libdmuser.a
lib_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard lib/*.c lib/backends/*.c)))
programs += $(lib_archive)

DMU_LDFLAGS := -pthread -Wl,-z,relro,-z,now,-z,noexecstack

$(lib_archive): $(lib_objects)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcsD $@ $^

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INSTALL ?= install

$(BUILD)/lib/dmuser.pc: lib/rules.mk Makefile
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'includedir=$${prefix}/include' 'libdir=$(LIBDIR)' '' \
		'Name: dmuser' 'Description: serve a dm-user block device from userspace' \
		'Version: $(VERSION)' 'Cflags: -I$${includedir}' \
		'Libs: -L$${libdir} -ldmuser -pthread' >$@

man_pages = $(sort $(wildcard docs/man/*.[1-9]))

## make install: the programs, the library and the man pages, below DESTDIR and PREFIX
install: programs $(BUILD)/lib/dmuser.pc
	$(INSTALL) -d "$(DESTDIR)$(PREFIX)/sbin" "$(DESTDIR)$(PREFIX)/include/linux" \
		"$(DESTDIR)$(LIBDIR)/pkgconfig"
	$(INSTALL) -s $(filter $(BUILD)/bin/%,$(programs)) "$(DESTDIR)$(PREFIX)/sbin"
	$(INSTALL) -m 644 lib/dmuser.h "$(DESTDIR)$(PREFIX)/include"
	$(INSTALL) -m 644 kernel/uapi/linux/dm-user.h "$(DESTDIR)$(PREFIX)/include/linux"
	$(INSTALL) -m 644 $(lib_archive) "$(DESTDIR)$(LIBDIR)"
	$(INSTALL) -m 644 $(BUILD)/lib/dmuser.pc "$(DESTDIR)$(LIBDIR)/pkgconfig"
	for page in $(man_pages); do \
		$(INSTALL) -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}" $$page; \
	done

.PHONY: install $(BUILD)/lib/dmuser.pc
