# SPDX-License-Identifier: GPL-2.0-or-later
# The KUnit suites of kernel/: a module for each kernel with KUnit. tests/vm/t_kunit.sh loads it.

kunit_kernels := $(UML_KERNELS) debug
kunit_sources = $(wildcard tests/kunit/*.[ch] tests/kunit/Kbuild)
kunit_modules = $(patsubst %,$(BUILD)/kernel/%/kunit/dm-user-kunit.ko, \
	$(filter $(kunit_kernels),$(1)))

$(call kunit_modules,$(kunit_kernels)): $(BUILD)/kernel/%/kunit/dm-user-kunit.ko: \
		$(BUILD)/kernel/%/release $(kernel_sources) $(kunit_sources) tools/build
	tools/build --with tests/kunit $(BUILD)/kernel/$*/headers $(@D) $(module_flags_$*)
