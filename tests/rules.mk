# SPDX-License-Identifier: GPL-2.0-or-later
# The unit tests, and the guests that tests/vm/run boots.

include tests/arm64.mk
include tests/kunit/rules.mk
include tests/unit/rules.mk
include tests/vm/rules.mk
include tests/attack/rules.mk
include tests/wb/rules.mk
include tests/steps/rules.mk
include tests/bench/rules.mk
include tests/fuzz/rules.mk
include tests/soak/rules.mk

test_kernels := $(if $(filter-out file default undefined,$(origin KERNEL)),$(KERNEL),$(KERNELS) $(UML_KERNELS))

## make test [T=PATTERN] [KERNEL=6.1]: every test, or some: units, checks of the sources, guests (6.1 6.12 trixie backports uml-6.1 uml-6.12)
test: deps
	@$(MAKE) --no-print-directory test-ready
	@BUILD=$(BUILD) UNIT_TESTS="$(unit_tests)" tests/run $(test_kernels:%=--kernel %) $(T)

## make test-uml [T=PATTERN]: the module's tests, on user-mode kernels with KASAN, lockdep, kmemleak and more
test-uml: guests = $(UML_KERNELS)

## make test-debug [T=PATTERN]: every VM test on a kernel with the same, in QEMU
test-debug: guests = debug

## make test-kcsan [T=PATTERN]: every VM test on a kernel that looks for data races
test-kcsan: guests = kcsan

# The first time, that compiles the kernels: see kernel/compile.
test-uml test-debug test-kcsan: deps
	@$(MAKE) --no-print-directory programs $(vm_helpers) $(guests:%=vm-%) $(call kunit_modules,$(guests))
	@BUILD=$(BUILD) tests/run --guests $(guests:%=--kernel %) $(T)

## make vm-helpers: the programs that VM tests take into their guests
vm-helpers: $(vm_helpers)

test-ready: programs modules $(unit_tests) $(vm_helpers) $(test_kernels:%=vm-%) $(call kunit_modules,$(test_kernels))

# The Debian guest takes root to make, and a while: only if its test is to run.
ifeq ($(shell id -u),0)
test-ready: $(if $(and $(filter 6.12,$(test_kernels)),$(or $(if $(T),,all),$(findstring $(T),debian_on_dm_user))),debian-ready)
endif

## make deps: install what is missing on Debian 12, with sudo unless root
deps:
	@./deps

.PHONY: test test-uml test-debug test-kcsan test-ready deps

vm_init := $(BUILD)/tests/vm/guest/init
vm_parts := tests/vm/mkbase tests/vm/image.sh kernel/fetch-package

## make vm-KERNEL: all that tests/vm/run needs for a guest of that kernel: see its --help
vm_kernels := $(stock_kernels) $(UML_KERNELS) debug kcsan
$(vm_kernels:%=vm-%): vm-%: $(BUILD)/vm/%/base.cpio $(BUILD)/vm/%/module.cpio $(BUILD)/tests/vm/tsc

.PHONY: $(vm_kernels:%=vm-%)

$(vm_init): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/vm/guest/*.c))
	$(CC) $(CFLAGS) -static -o $@ $^

$(BUILD)/tests/vm/tsc: $(BUILD)/tests/vm/tsc.o
	$(CC) $(CFLAGS) -o $@ $^

$(BUILD)/vm/%/base.cpio: $(BUILD)/kernel/%/release $(vm_init) $(vm_parts)
	tests/vm/mkbase $(BUILD)/kernel/$* $(vm_init) $(@D)

$(BUILD)/vm/%/module.cpio: $(BUILD)/vm/%/base.cpio $(BUILD)/kernel/%/module/dm-user.ko tests/vm/mkmodule
	tests/vm/mkmodule $(BUILD)/kernel/$* $(@D)
