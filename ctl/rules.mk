# SPDX-License-Identifier: GPL-2.0-or-later
# dmuserctl, a unit test of all of it but main(), and a check of the man pages.

ctl_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard ctl/*.c)))
programs += $(BUILD)/bin/dmuserctl

$(BUILD)/bin/dmuserctl: $(ctl_objects) $(archives)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pie $(DMU_LDFLAGS) $(LDFLAGS) -o $@ $^ -ldevmapper -ljansson

$(BUILD)/tests/unit/test_ctl: $(BUILD)/tests/unit/test_ctl.o \
		$(filter-out %/main.o,$(ctl_objects)) $(archives)
	$(CC) -pie -o $@ $^ $(DMU_LDFLAGS) -ldevmapper -ljansson -lcmocka

man_pages := $(sort $(wildcard docs/man/*.[1-9]))

## make man-check: format every man page, and fail on a warning
man-check: $(man_pages)
	@for page in $^; do \
		warnings=$$(MANWIDTH=80 man --warnings -E UTF-8 -l $$page 2>&1 >/dev/null) || \
			true; \
		if [ -n "$$warnings" ]; then echo "$$page: $$warnings" >&2; failed=1; fi; \
	done; exit $${failed:-0}

.PHONY: man-check
