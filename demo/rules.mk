# SPDX-License-Identifier: GPL-2.0-or-later
# The demonstration: busybox initramfs, root image, a guest that shows the handover, and the report.

run_dir := $(BUILD)/run
run_programs := $(addprefix $(BUILD)/bin/,dmuser-first dmuser-second dmuser-watch dmuserctl)
run_shared := tests/vm/image.sh tools/fetch-package $(BUILD)/demo/probe $(run_programs)

## make run [KERNEL=6.1|6.12|trixie|backports]: boot a root on dm-user, hand it over live, report
run: deps
	@$(MAKE) --no-print-directory run-ready 2>&1 | demo/progress
	@demo/run $(KERNEL) $(BUILD)

## make run-shell [KERNEL=6.1]: the same guest with an interactive shell
run-shell: deps
	@$(MAKE) --no-print-directory run-ready 2>&1 | demo/progress
	@demo/run --shell $(KERNEL) $(BUILD)

## make processes: record the processes of docs/processes.md in the same guest, and draw them
processes: run-ready
	@demo/run --processes $(KERNEL) $(BUILD)
	@command -v dot >/dev/null || { echo "there is no dot here: install graphviz" >&2; exit 1; }
	cp $(run_dir)/processes.md docs/processes.md
	dot -Tsvg -o docs/processes.svg $(run_dir)/processes.dot

run-ready: $(BUILD)/kernel/$(KERNEL)/release $(run_dir)/initramfs-$(KERNEL).cpio \
		$(run_dir)/root.img $(BUILD)/tests/vm/tsc

$(BUILD)/demo/probe: demo/probe.c
	@mkdir -p $(@D)
	$(CC) $(DMU_CFLAGS) $(CFLAGS) -static -o $@ $<

$(run_dir)/initramfs-%.cpio: $(BUILD)/kernel/%/module/dm-user.ko demo/initramfs \
		initramfs/busybox/init initramfs/exitrd/shutdown $(wildcard demo/guest/*) \
		$(run_shared)
	@mkdir -p $(@D)
	demo/initramfs $(BUILD)/kernel/$* $< $(BUILD)/bin $@

$(run_dir)/root.img: demo/image $(wildcard demo/guest/*) $(run_shared)
	@mkdir -p $(@D)
	demo/image $(run_dir)/root $(BUILD)/bin

.PHONY: run run-shell run-ready processes

# A real Debian: its root file system, initramfs-tools' initramfs, SELinux. Only root can make it.
debian_dir := $(BUILD)/debian
debian_policy := $(BUILD)/sepolicy/refpolicy/dm_user.pp
debian_files := $(shell find demo/debian initramfs/initramfs-tools initramfs/systemd \
	initramfs/exitrd -type f)

## make debian-image: a Debian 12 root with systemd, SELinux, dmuser's programs and policy (as root)
debian-image: deps
	@$(MAKE) --no-print-directory debian-ready

## make run-debian: boot that image, enforcing, hand it over, shut it down, report (as root)
run-debian: deps
	@$(MAKE) --no-print-directory debian-ready 2>&1 | demo/progress
	@demo/run --debian 6.12 $(BUILD)

debian-ready: $(debian_dir)/root.img $(BUILD)/tests/vm/tsc

$(debian_dir)/root.img: $(BUILD)/kernel/6.12/module/dm-user.ko $(debian_policy) initramfs/install \
		$(debian_files) $(wildcard demo/guest/*) $(run_shared)
	@mkdir -p $(@D)
	demo/debian/image $(BUILD)/kernel/6.12 $< $(BUILD)/bin $(debian_dir)/root $(debian_policy)

.PHONY: debian-image run-debian debian-ready
