# SPDX-License-Identifier: GPL-2.0-or-later
# The demonstration: a busybox initramfs, a root image, a guest that shows the handover, and the report.

run_dir := $(BUILD)/run
run_programs := $(addprefix $(BUILD)/bin/,dmuser-first dmuser-second dmuser-watch dmuserctl)
run_shared := tests/vm/image.sh tools/fetch-package $(BUILD)/initramfs/probe $(run_programs)

## make run [KERNEL=6.1|6.12|trixie|backports]: boot a guest whose root is served by dm-user, hand it over live, report
run: deps
	@$(MAKE) --no-print-directory run-ready 2>&1 | initramfs/progress
	@initramfs/run $(KERNEL) $(BUILD)

## make run-shell [KERNEL=6.1]: the same guest with an interactive shell
run-shell: deps
	@$(MAKE) --no-print-directory run-ready 2>&1 | initramfs/progress
	@initramfs/run --shell $(KERNEL) $(BUILD)

run-ready: $(BUILD)/kernel/$(KERNEL)/release $(run_dir)/initramfs-$(KERNEL).cpio $(run_dir)/root.img \
		$(BUILD)/tests/vm/tsc

$(BUILD)/initramfs/probe: initramfs/probe.c
	@mkdir -p $(@D)
	$(CC) $(DMU_CFLAGS) $(CFLAGS) -static -o $@ $<

$(run_dir)/initramfs-%.cpio: $(BUILD)/kernel/%/module/dm-user.ko initramfs/build-initramfs initramfs/init \
		initramfs/exitrd/shutdown $(wildcard initramfs/demo/*) $(run_shared)
	@mkdir -p $(@D)
	initramfs/build-initramfs $(BUILD)/kernel/$* $< $(BUILD)/bin $@

$(run_dir)/root.img: initramfs/image $(wildcard initramfs/demo/*) $(run_shared)
	@mkdir -p $(@D)
	initramfs/image $(run_dir)/root $(BUILD)/bin

.PHONY: run run-shell run-ready

# A real Debian: its root file system, its initramfs by initramfs-tools, its SELinux. Only root can make it.
debian_dir := $(BUILD)/debian
debian_policy := $(BUILD)/sepolicy/refpolicy/dm_user.pp
debian_files := $(shell find initramfs/debian initramfs/initramfs-tools initramfs/systemd initramfs/exitrd -type f)

## make debian-image: a Debian 12 root with systemd and SELinux, our programs and policy in it (as root)
debian-image: deps
	@$(MAKE) --no-print-directory debian-ready

## make run-debian: boot it, enforcing, hand its root over live, shut it down, report (as root)
run-debian: deps
	@$(MAKE) --no-print-directory debian-ready 2>&1 | initramfs/progress
	@initramfs/run --debian 6.12 $(BUILD)

debian-ready: $(debian_dir)/root.img $(BUILD)/tests/vm/tsc

$(debian_dir)/root.img: $(BUILD)/kernel/6.12/module/dm-user.ko $(debian_policy) initramfs/install $(debian_files) \
		$(wildcard initramfs/demo/*) $(run_shared)
	@mkdir -p $(@D)
	initramfs/debian/image $(BUILD)/kernel/6.12 $< $(BUILD)/bin $(debian_dir)/root $(debian_policy)

.PHONY: debian-image run-debian debian-ready
