# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the tests share that boot initramfs/busybox/example-init.sh, in namespaces of its own; sourced in the place of lib.sh,
# which it sources.
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

tree=/tmp/initramfs
root=/tmp/root

# add TREE PROGRAM...: with the libraries that each loads.
add() {
	local tree=$1 program dir
	shift
	for program in "$@"; do
		echo "$program"
		LD_TRACE_LOADED_OBJECTS=1 "$program" 2>/dev/null | grep -o '/[^ ]*'
	done | sort -u | while IFS= read -r program; do
		dir=$tree$(readlink -f "$(dirname "$program")")
		mkdir -p "$dir"
		cp "$program" "$dir/"
	done
}

# skeleton TREE: directories, and busybox under all its names.
skeleton() {
	local tree=$1
	mkdir -p "$tree"/{dev,proc,sys,run,mnt,etc,usr/bin,usr/sbin,usr/lib,usr/lib64}
	cp -a /bin /sbin /lib /lib64 "$tree/"
	add "$tree" /usr/bin/busybox
	busybox --install -s "$tree/usr/bin"
}

# The initramfs that the example wants, on a tmpfs of its own, as switch_root demands.
make_initramfs() {
	mkdir -p "$tree"
	mount -t tmpfs initramfs "$tree"
	skeleton "$tree"
	cp /usr/bin/dmuser-first /usr/bin/dmuser-watch "$tree/usr/bin/"
	cp -a /usr/lib/modules "$tree/usr/lib/"
	cp /add/example-init.sh "$tree/init"
}

# A root that is mounted at $root, with all of busybox but an init.
begin_root() {
	mkfs.ext4 -q "$disk"
	mkdir -p "$root"
	mount -t ext4 "$disk" "$root" || fail "mount"
	skeleton "$root"
	cp /usr/bin/dmuser-second "$root/usr/bin/"
	rm -f "$root/usr/sbin/init"
}

# boot_example LOG: /init of the initramfs, as process 1 of a namespace whose parent is $init.
init=
boot_example() {
	unshare --mount --pid --fork chroot "$tree" /init >"$1" 2>&1 </dev/null &
	# Those who source this use it.
	# shellcheck disable=SC2034
	init=$!
}
