# SPDX-License-Identifier: GPL-2.0-or-later
# The objects of this folder and of backends/ that programs here link, and libdmuser, the library of
# all that a daemon is made of.

lib_archive := $(BUILD)/lib/libdmuser.a
lib_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard lib/*.c lib/backends/*.c)))
programs += $(lib_archive)

DMU_LDFLAGS := -pthread -Wl,-z,relro,-z,now,-z,noexecstack

$(lib_archive): $(lib_objects)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcsD $@ $^

# ---- the library as it is installed: all that a daemon is made of, with its public names only ----

library_sources := $(filter-out second_stage/main.c,$(sort $(wildcard lib/*.c lib/backends/*.c \
	handover/*.c rundir/*.c daemon/*.c second_stage/*.c)))
library_objects := $(library_sources:%.c=$(BUILD)/pic/%.o)
library_static := $(BUILD)/public/libdmuser.a
library_shared := $(BUILD)/public/libdmuser.so.$(VERSION)
library_headers := $(addprefix $(BUILD)/public/dmuser/,dmuser.h daemon.h dm-user.h)

$(BUILD)/pic/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(DMU_CFLAGS) $(CFLAGS) $(CPPFLAGS) -fPIC -MMD -MP -c -o $@ $<

# One object, in which other names are local: they cannot clash with a program's.
$(library_static): $(library_objects) lib/libdmuser.map
	@mkdir -p $(@D)
	$(CC) -r -nostdlib -o $(@D)/libdmuser.o $(filter %.o,$^)
	sed -n 's/^\t\(dmu_.*\);/\1/p' lib/libdmuser.map >$(@D)/symbols
	$(OBJCOPY) --keep-global-symbols=$(@D)/symbols $(@D)/libdmuser.o
	@rm -f $@
	$(AR) rcsD $@ $(@D)/libdmuser.o

$(library_shared): $(library_objects) lib/libdmuser.map
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -shared $(DMU_LDFLAGS) $(LDFLAGS) -Wl,-soname,$(@F) \
		-Wl,--version-script=lib/libdmuser.map -o $@ $(filter %.o,$^) -lseccomp -lcap

$(BUILD)/public/dmuser/dmuser.h: lib/dmuser.h
$(BUILD)/public/dmuser/daemon.h: daemon/api.h
$(BUILD)/public/dmuser/dm-user.h: kernel/uapi/linux/dm-user.h
# <linux/dm-user.h> would be a file in the folder of the kernel's own headers.
$(library_headers): lib/rules.mk
	@mkdir -p $(@D)
	sed -e 's#^\#include "lib/dmuser.h"#\#include <dmuser/dmuser.h>#' \
		-e 's#^\#include <linux/dm-user.h>#\#include <dmuser/dm-user.h>#' \
		$(filter %.h,$^) >$@

## make library: libdmuser, static and shared, and its headers, in build/public
library: $(library_static) $(library_shared) $(library_headers)

OBJCOPY ?= $(shell $(CC) -print-prog-name=objcopy)
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INSTALL ?= install

$(BUILD)/public/dmuser.pc: lib/rules.mk Makefile
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'includedir=$${prefix}/include' 'libdir=$(LIBDIR)' '' \
		'Name: dmuser' 'Description: daemons that serve dm-user block devices' \
		'Version: $(VERSION)' 'Requires.private: libseccomp libcap' \
		'Cflags: -I"$${includedir}"' 'Libs: -L"$${libdir}" -ldmuser' \
		'Libs.private: -pthread' >$@

man_pages = $(sort $(wildcard docs/man/*.[1-9]))
installed_programs = $(notdir $(filter $(BUILD)/bin/%,$(programs)))

## make install [PREFIX=DIR] [DESTDIR=DIR]: programs, library, headers and man pages
install: programs library $(BUILD)/public/dmuser.pc
	$(INSTALL) -d "$(DESTDIR)$(PREFIX)/sbin" "$(DESTDIR)$(PREFIX)/include/dmuser" \
		"$(DESTDIR)$(LIBDIR)/pkgconfig"
	$(INSTALL) -s $(filter $(BUILD)/bin/%,$(programs)) "$(DESTDIR)$(PREFIX)/sbin"
	$(INSTALL) -m 644 $(library_headers) "$(DESTDIR)$(PREFIX)/include/dmuser"
	$(INSTALL) -m 644 $(library_static) "$(DESTDIR)$(LIBDIR)"
	$(INSTALL) -m 755 $(library_shared) "$(DESTDIR)$(LIBDIR)"
	ln -sfn $(notdir $(library_shared)) "$(DESTDIR)$(LIBDIR)/libdmuser.so"
	$(INSTALL) -m 644 $(BUILD)/public/dmuser.pc "$(DESTDIR)$(LIBDIR)/pkgconfig"
	for page in $(man_pages); do \
		$(INSTALL) -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}" $$page; \
	done

## make uninstall [PREFIX=DIR] [DESTDIR=DIR]: remove what install has put there
uninstall:
	for file in $(addprefix sbin/,$(installed_programs)) \
		$(addprefix include/dmuser/,$(notdir $(library_headers))) \
		$(foreach page,$(man_pages),share/man/man$(subst .,,$(suffix $(page)))/$(notdir \
			$(page))); do \
		rm -f "$(DESTDIR)$(PREFIX)/$$file"; \
	done
	rm -f "$(DESTDIR)$(LIBDIR)"/{libdmuser.a,libdmuser.so,$(notdir $(library_shared))} \
		"$(DESTDIR)$(LIBDIR)/pkgconfig/dmuser.pc"
	rmdir "$(DESTDIR)$(PREFIX)/include/dmuser" 2>/dev/null || true

.PHONY: library install uninstall $(BUILD)/public/dmuser.pc
