# SPDX-License-Identifier: GPL-2.0-or-later
# The fuzzer of the kernel target, see README.md. tests/vm/t_fuzz.sh is a short run of it.

fuzz_program := $(BUILD)/tests/fuzz/fuzz
vm_helpers += $(fuzz_program)
fuzz_kernel := $(if $(filter-out file default undefined,$(origin KERNEL)),$(KERNEL),uml-6.12)

$(fuzz_program): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/fuzz/*.c))
	$(CC) $(CFLAGS) -static -pthread -o $@ $^

## make fuzz [SEED=N] [OPS=N | SECONDS=N] [KERNEL=uml-6.12]: fuzz the kernel target (60 seconds)
fuzz: $(fuzz_program) vm-$(fuzz_kernel)
	@BUILD=$(BUILD) SEED=$(SEED) OPS=$(OPS) SECONDS_=$(SECONDS) \
		tests/fuzz/run --kernel $(fuzz_kernel)

.PHONY: fuzz

# A user-mode kernel with fewer detectors, for many operations.
fuzz_configs := tests/fuzz/fast.config tests/vm/uml.config
module_flags_uml-fast := ARCH=um KCOV_INSTRUMENT=y

$(BUILD)/kernel/uml-fast/release: tools/compile $(fuzz_configs)
	tools/compile 6.12 um $(@D) $(fuzz_configs)

vm-uml-fast: $(BUILD)/vm/uml-fast/base.cpio $(BUILD)/vm/uml-fast/module.cpio

.PHONY: vm-uml-fast
