# SPDX-License-Identifier: GPL-2.0-or-later
# The unit tests, and the guests that tests/vm/run boots.

include tests/unit/rules.mk
include tests/vm/rules.mk

test_kernels := $(if $(filter-out file default undefined,$(origin KERNEL)),$(KERNEL),$(KERNELS))

## make test [T=PATTERN] [KERNEL=6.1]: every test, or some: units, checks of the sources, guests of both kernels
test: deps
	@$(MAKE) --no-print-directory test-ready
	@BUILD=$(BUILD) UNIT_TESTS="$(unit_tests)" tests/run $(test_kernels:%=--kernel %) $(T)

test-ready: programs modules $(unit_tests) $(vm_helpers) $(test_kernels:%=vm-%)

## make deps: install what is missing on Debian 12, with sudo unless root
deps:
	@./deps

.PHONY: test test-ready deps

vm_init := $(BUILD)/tests/vm/guest/init
vm_parts := tests/vm/mkbase tests/vm/image.sh kernel/fetch-package

## make vm-6.1, make vm-6.12: all that tests/vm/run needs for a guest of that kernel
vm_kernels := $(KERNELS) debug
$(vm_kernels:%=vm-%): vm-%: $(BUILD)/vm/%/base.cpio $(BUILD)/vm/%/module.cpio

.PHONY: $(vm_kernels:%=vm-%)

$(vm_init): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/vm/guest/*.c))
	$(CC) $(CFLAGS) -static -o $@ $^

$(BUILD)/vm/%/base.cpio: $(BUILD)/kernel/%/release $(vm_init) $(vm_parts)
	tests/vm/mkbase $(BUILD)/kernel/$* $(vm_init) $(@D)

$(BUILD)/vm/%/module.cpio: $(BUILD)/vm/%/base.cpio $(BUILD)/kernel/%/module/dm-user.ko tests/vm/mkmodule
	tests/vm/mkmodule $(BUILD)/kernel/$* $(@D)
