# SPDX-License-Identifier: GPL-2.0-or-later
# What dmuserctl has beside its program: a unit test of all but main(), and a check of the man
# pages.

ctl_tested := $(filter-out %/ctl_main.o,$(ctl_objects))

$(BUILD)/tests/unit/test_ctl: $(BUILD)/tests/unit/test_ctl.o $(ctl_tested) $(lib_archive)
	$(CC) -pie -o $@ $^ $(DMU_LDFLAGS) -ldevmapper -ljansson -lcmocka

man_pages := $(sort $(wildcard docs/man/*.[1-9]))

## make man-check: format every man page, and fail on a warning
man-check: $(man_pages)
	@for page in $^; do \
		warnings=$$(MANWIDTH=80 man --warnings -E UTF-8 -l $$page 2>&1 >/dev/null) || true; \
		if [ -n "$$warnings" ]; then echo "$$page: $$warnings" >&2; failed=1; fi; \
	done; exit $${failed:-0}

.PHONY: man-check
