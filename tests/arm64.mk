# SPDX-License-Identifier: GPL-2.0-or-later
# The module and the programs for arm64, cross-built by gcc-aarch64-linux-gnu against Debian's arm64
# packages, which are unpacked below $(BUILD): this machine's packages and apt state do not change.

arm64_gcc := aarch64-linux-gnu-gcc --sysroot=$(abspath $(BUILD))/arm64/sysroot
$(foreach k,$(OWN_KERNELS),\
	$(eval module_flags_arm64-$(k) := ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-))

## make arm64: dm-user.ko and the programs for arm64, in build/kernel/arm64-* and build/arm64/bin
arm64: arm64-packages arm64-programs $(OWN_KERNELS:%=$(BUILD)/kernel/arm64-%/module/dm-user.ko)

# The downloads, which fail where the mirror has no arm64 packages.
arm64-packages: $(BUILD)/arm64/sysroot/complete $(OWN_KERNELS:%=$(BUILD)/kernel/arm64-%/release)

arm64-programs: $(BUILD)/arm64/sysroot/complete
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/arm64 CC='$(arm64_gcc)' \
		AR=aarch64-linux-gnu-ar programs

$(OWN_KERNELS:%=$(BUILD)/kernel/arm64-%/release): $(BUILD)/kernel/arm64-%/release: tools/fetch \
		tools/apt-foreign
	tools/fetch $* $(@D) arm64

$(BUILD)/arm64/sysroot/complete: tools/fetch-sysroot tools/apt-foreign
	tools/fetch-sysroot arm64 $(@D)

.PHONY: arm64 arm64-packages arm64-programs
