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

# Make a root whose init prints what it sees, hands its own root over, kills its daemon, and stays;
# and leave it mounted.
make_root() {
	begin_root
	add "$root" /usr/bin/dmuserctl /usr/bin/jq
	cat >"$root/usr/sbin/init" <<-'END'
		#!/bin/sh
		export PATH=/bin:/sbin:/usr/bin:/usr/sbin DM_DISABLE_UDEV=1
		echo "root: $(stat -c %d /)"
		echo "device: $(dmuserctl status --json root | jq '.major * 256 + .minor')"
		echo "generation: $(dmuserctl status --json root | jq .generation)"
		dmuserctl handover --timeout 60000 root >/dev/null && echo "handover: done"
		echo "generation: $(dmuserctl status --json root | jq .generation)"
		pid=$(dmuserctl status --json root | jq .daemon.pid)
		sync
		echo 3 >/proc/sys/vm/drop_caches
		kill -KILL "$pid"
		dmuserctl wait --generation 3 root && echo "restart: done"
		echo "restarted as: $(dmuserctl status --json root | jq -r .daemon.stage)"
		echo written >/proof && sync && cat /proof
		exec tail -f /dev/null
	END
	chmod 755 "$root/usr/sbin/init"
}

# The root's init has printed its last line, or its shell has failed.
over() {
	line '^written$' || gone "$init"
}

# said KEY: print the value that the root's init first printed for KEY.
said() {
	sed -n "s/^$1: //p" "$example_log" | head -n 1
}

line() {
	grep -q "$1" "$example_log"
}

# boot_survives STAGE: boot that root, and check what its init has printed; a daemon of STAGE is the
# last.
example_log=/tmp/example.log
boot_survives() {
	boot_example "$example_log"
	wait_for 180 "the root is written to" over
	sed 's/^/# /' "$example_log"
	check "the root is written to" line '^written$'
	is "the root is on the device" "$(said root)" "$(said device)"
	check "generation 1 served first" line '^generation: 1$'
	check "the root itself hands over" line '^handover: done$'
	check "generation 2 serves" line '^generation: 2$'
	check "the root goes on after the death of its daemon" line '^restart: done$'
	is "the stage of the restarted daemon" "$(said "restarted as")" "$1"
}
