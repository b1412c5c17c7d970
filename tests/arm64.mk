# SPDX-License-Identifier: GPL-2.0-or-later
# The module and the programs for arm64, cross-built with what Debian's packages of arm64 hold, unpacked below
# $(BUILD): the machine's own packages and apt's state stay as they are. It takes gcc-aarch64-linux-gnu.

arm64_gcc := aarch64-linux-gnu-gcc --sysroot=$(abspath $(BUILD))/arm64/sysroot
$(foreach k,$(OWN_KERNELS),$(eval module_flags_arm64-$(k) := ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-))

## make arm64: dm-user.ko and the programs for arm64, in $(BUILD)/kernel/arm64-* and $(BUILD)/arm64/bin
arm64: arm64-packages arm64-programs $(OWN_KERNELS:%=$(BUILD)/kernel/arm64-%/module/dm-user.ko)

# What comes from elsewhere, and may not be there.
arm64-packages: $(BUILD)/arm64/sysroot/complete $(OWN_KERNELS:%=$(BUILD)/kernel/arm64-%/release)

arm64-programs: $(BUILD)/arm64/sysroot/complete
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/arm64 CC='$(arm64_gcc)' AR=aarch64-linux-gnu-ar programs

$(OWN_KERNELS:%=$(BUILD)/kernel/arm64-%/release): $(BUILD)/kernel/arm64-%/release: tools/fetch tools/apt-foreign
	tools/fetch $* $(@D) arm64

$(BUILD)/arm64/sysroot/complete: tools/fetch-sysroot tools/apt-foreign
	tools/fetch-sysroot arm64 $(@D)

.PHONY: arm64 arm64-packages arm64-programs
