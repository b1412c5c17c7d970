# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's stock kernels, unpacked below $(BUILD)/kernel/VER, and our module built for each.

kernel_sources = $(wildcard kernel/*.[ch] kernel/Kbuild kernel/uapi/linux/*.h)
modules := $(KERNELS:%=$(BUILD)/kernel/%/module/dm-user.ko)

## make modules: dm-user.ko for each of Debian 12's kernels
modules: $(modules)

## make kernels: fetch and unpack Debian 12's kernels, installing nothing
kernels: $(KERNELS:%=$(BUILD)/kernel/%/release)

# The release file appears last: it says that the rest is there.
$(KERNELS:%=$(BUILD)/kernel/%/release): $(BUILD)/kernel/%/release: kernel/fetch
	kernel/fetch $* $(BUILD)/kernel/$*

$(BUILD)/kernel/%/module/dm-user.ko: $(BUILD)/kernel/%/release $(kernel_sources) kernel/build
	kernel/build $(BUILD)/kernel/$*/headers $(@D)

.PHONY: modules kernels
