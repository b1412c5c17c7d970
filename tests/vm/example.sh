# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions of the tests that boot initramfs/busybox/example-init.sh in namespaces of its own.
# Sourced in place of lib.sh, which this file sources.
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

tree=/tmp/initramfs
root=/tmp/root

# add TREE PROGRAM...: copy programs, and the libraries that they load, into TREE.
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

# skeleton TREE: make directories in TREE, and install busybox under all its names.
skeleton() {
	local tree=$1
	mkdir -p "$tree"/{dev,proc,sys,run,mnt,etc,usr/bin,usr/sbin,usr/lib,usr/lib64}
	cp -a /bin /sbin /lib /lib64 "$tree/"
	add "$tree" /usr/bin/busybox
	busybox --install -s "$tree/usr/bin"
}

# Make the initramfs of the example on a tmpfs of its own, which switch_root requires.
make_initramfs() {
	mkdir -p "$tree"
	mount -t tmpfs initramfs "$tree"
	skeleton "$tree"
	add "$tree" /usr/bin/dmuserctl /usr/bin/dmuser-first /usr/bin/dmuser-watch
	cp -a /usr/lib/modules "$tree/usr/lib/"
	cp /add/example-init.sh "$tree/init"
}

# Make a root with all of busybox except an init, and leave it mounted at $root.
begin_root() {
	mkfs.ext4 -q "$disk"
	mkdir -p "$root"
	mount -t ext4 "$disk" "$root" || fail "mount"
	skeleton "$root"
	cp /usr/bin/dmuser-second "$root/usr/bin/"
	rm -f "$root/usr/sbin/init"
}

# boot_example LOG: run /init of the initramfs as process 1 of a pid namespace. $init is its parent.
init=
boot_example() {
	unshare --mount --pid --fork chroot "$tree" /init >"$1" 2>&1 </dev/null &
	# shellcheck disable=SC2034 # the tests use it
	init=$!
}
