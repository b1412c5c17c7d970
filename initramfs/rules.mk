# SPDX-License-Identifier: GPL-2.0-or-later
# The demonstration: a busybox initramfs, a root image, a guest that shows the handover, and the report.

run_dir := $(BUILD)/run
run_programs := $(addprefix $(BUILD)/bin/,dmuser-first dmuser-second dmuserctl)
run_shared := tests/vm/image.sh kernel/fetch-package $(BUILD)/initramfs/probe $(run_programs)

## make run [KERNEL=6.1]: boot a guest whose root is served by dm-user, hand it over live, report
run: deps
	@$(MAKE) --no-print-directory run-ready 2>&1 | initramfs/progress
	@initramfs/run $(KERNEL) $(BUILD)

## make run-shell [KERNEL=6.1]: the same guest with an interactive shell
run-shell: deps
	@$(MAKE) --no-print-directory run-ready 2>&1 | initramfs/progress
	@initramfs/run --shell $(KERNEL) $(BUILD)

run-ready: $(BUILD)/kernel/$(KERNEL)/release $(run_dir)/initramfs-$(KERNEL).cpio $(run_dir)/root.img

$(BUILD)/initramfs/probe: initramfs/probe.c
	@mkdir -p $(@D)
	$(CC) $(DMU_CFLAGS) $(CFLAGS) -static -o $@ $<

$(run_dir)/initramfs-%.cpio: $(BUILD)/kernel/%/module/dm-user.ko initramfs/build-initramfs initramfs/init \
		$(wildcard initramfs/demo/*) $(run_shared)
	@mkdir -p $(@D)
	initramfs/build-initramfs $(BUILD)/kernel/$* $< $(BUILD)/bin $@

$(run_dir)/root.img: initramfs/image $(wildcard initramfs/demo/*) $(run_shared)
	@mkdir -p $(@D)
	initramfs/image $(run_dir)/root $(BUILD)/bin

.PHONY: run run-shell run-ready
