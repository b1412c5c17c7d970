# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's stock kernels, unpacked below $(BUILD)/kernel/NAME, and the module built for each.

kernel_sources = $(wildcard kernel/*.[ch] kernel/Kbuild kernel/uapi/linux/*.h)
modules := $(KERNELS:%=$(BUILD)/kernel/%/module/dm-user.ko)

## make modules: dm-user.ko for each kernel of Debian's: 6.1 6.12 trixie backports
modules: $(modules)

# The release file appears last: the other files are complete.
$(stock_kernels:%=$(BUILD)/kernel/%/release): $(BUILD)/kernel/%/release: \
		tools/fetch tools/fetch-tools
	tools/fetch $* $(BUILD)/kernel/$*

# Kernels compiled here, with detectors for mistakes in a module. A stock kernel has none of them.
config_files = $(patsubst %,tests/vm/%.config,$(1))
config_debug := $(call config_files,guest detectors kasan qemu)
config_kcsan := $(call config_files,guest detectors kcsan qemu)
config_uml := $(call config_files,guest detectors kasan uml)

$(BUILD)/kernel/debug/release: tools/compile $(config_debug)
	tools/compile 6.12 x86_64 $(@D) $(config_debug)

$(BUILD)/kernel/kcsan/release: tools/compile $(config_kcsan)
	tools/compile 6.12 x86_64 $(@D) $(config_kcsan)

$(UML_KERNELS:%=$(BUILD)/kernel/%/release): $(BUILD)/kernel/uml-%/release: \
		tools/compile $(config_uml)
	tools/compile $* um $(@D) $(config_uml)

module_flags_debug := KCOV_INSTRUMENT=y
module_flags_uml := ARCH=um KCOV_INSTRUMENT=y
module_flags_uml-6.1 = $(module_flags_uml)
module_flags_uml-6.12 = $(module_flags_uml)

$(BUILD)/kernel/%/module/dm-user.ko: $(BUILD)/kernel/%/release $(kernel_sources) tools/build
	tools/build $(BUILD)/kernel/$*/headers $(@D) $(module_flags_$*)

## make kernels [N=NAME]: compile and try the module for each of Debian's kernels; into README.md
kernels: deps
	@$(MAKE) --no-print-directory programs $(BUILD)/tests/vm/load
	@BUILD=$(BUILD) tests/vm/kernels $(N)

.PHONY: modules kernels

# Pictures of the protocol, which graphviz draws. tests/lint pictures compares their descriptions.
protocol_graphs := handover/states.dot handover/handover.dot

$(BUILD)/tools/protocol: $(BUILD)/tools/protocol.o $(handover_archive)
	$(CC) $(CFLAGS) -o $@ $^

## make pictures: draw the protocol's states and a handover anew, from the transition table
pictures: $(BUILD)/tools/protocol
	@command -v dot >/dev/null || \
		{ echo "there is no dot on this machine: install graphviz" >&2; exit 1; }
	for graph in $(protocol_graphs); do \
		$< $$(basename $$graph .dot) >$$graph; \
		dot -Tsvg -o $${graph%.dot}.svg $$graph; \
		echo "<!-- of $$(sha256sum <$$graph | cut -c1-64) -->" >>$${graph%.dot}.svg; \
	done

.PHONY: pictures
