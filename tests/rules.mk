# SPDX-License-Identifier: GPL-2.0-or-later
# The unit tests, and the guests that tests/vm/run boots.

include tests/arm64.mk
include tests/kunit/rules.mk
include tests/unit/rules.mk
include tests/vm/rules.mk
include tests/attack/rules.mk
include tests/wb/rules.mk
include tests/example/rules.mk
include tests/steps/rules.mk
include tests/bench/rules.mk
include tests/fuzz/rules.mk
include tests/soak/rules.mk
include tests/mutants/rules.mk

# Kernels that the caller names.
kernels_asked := $(if $(filter-out file default undefined,$(origin KERNEL)),$(KERNEL))

## make test [T=PATTERN] [KERNEL=6.1]: all tests, each on the kernel where it finds most, bounded
test: options = $(kernels_asked:%=--kernel %)

## make test-all [T=PATTERN] [KERNEL=6.1]: each VM test on each kernel that can run it; hours
test-all: options = --all $(kernels_asked:%=--kernel %)

## make test-uml [T=PATTERN]: VM tests on user-mode kernels with KASAN, lockdep, kmemleak and more
test-uml: options = --all --guests $(UML_KERNELS:%=--kernel %)

## make test-debug [T=PATTERN]: VM tests on a kernel with the same detectors, in QEMU
test-debug: options = --all --guests --kernel debug

## make test-kcsan [T=PATTERN]: VM tests on a kernel that looks for data races
test-kcsan: options = --all --guests --kernel kcsan

# The first run compiles kernels: see tools/compile. Downloads go on meanwhile.
tests_run = BUILD=$(BUILD) UNIT_TESTS="$(unit_tests)" tests/run $(options) $(T)
test test-all test-uml test-debug test-kcsan: deps
	@needs=$$($(tests_run) --needs); $(MAKE) --no-print-directory -j$$(nproc) test-ready \
		needs="$${needs//$$'\n'/ }"
	@$(tests_run)

test-ready: programs $(unit_tests) $(vm_helpers) $(patsubst %,vm-%,$(filter-out debian,$(needs)))
test-ready: $(call kunit_modules,$(needs))

# Only root can make the image of a Debian.
ifeq ($(shell id -u),0)
test-ready: $(if $(filter debian,$(needs)),debian-ready)
endif

## make vm-helpers: the programs that VM tests take into their guests
vm-helpers: $(vm_helpers)

## make deps: install what is missing on Debian 12, with sudo unless root
deps:
	@./deps

.PHONY: test test-all test-uml test-debug test-kcsan test-ready deps

vm_init := $(BUILD)/tests/vm/guest/init
vm_parts := tests/vm/mkbase tests/vm/image.sh tools/fetch-package

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

$(BUILD)/vm/%/module.cpio: $(BUILD)/vm/%/base.cpio $(BUILD)/kernel/%/module/dm-user.ko \
		tests/vm/mkmodule
	tests/vm/mkmodule $(BUILD)/kernel/$* $(@D)
