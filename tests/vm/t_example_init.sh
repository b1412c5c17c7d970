#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The init script that README.md shows, as it stands, boots a root that dm-user serves; from there, a handover, and the death of the daemon.
# vm: --mem 512 --cpus 2 --disk 128M
# kernels: 6.1 6.12 debug kcsan
# add: initramfs/example-init.sh README.md tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

tree=/tmp/initramfs
root=/tmp/root
log=/tmp/example.log

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

# A root whose init says what it sees, hands its own root over, says it again, and stays.
make_root() {
	mkfs.ext4 -q "$disk"
	mkdir -p "$root"
	mount -t ext4 "$disk" "$root" || fail "mount"
	skeleton "$root"
	cp /usr/bin/dmuser-second "$root/usr/bin/"
	add "$root" /usr/bin/dmuserctl /usr/bin/jq
	rm -f "$root/usr/sbin/init"
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
		exec sleep 1000
	END
	chmod 755 "$root/usr/sbin/init"
	umount "$root"
}

# It has said its last word, or its shell has failed.
over() {
	line '^written$' || gone "$init"
}

# said KEY: what the root's init said of it.
said() {
	sed -n "s/^$1: //p" "$log" | head -n 1
}

line() {
	grep -q "$1" "$log"
}

# shellcheck disable=SC2016 # no command, a fence
sed -n '/^```sh$/,/^```$/p' /add/README.md | sed '/^```/d' >/tmp/readme.sh
check "README.md shows that script" cmp /tmp/readme.sh /add/example-init.sh
make_initramfs
make_root
unshare --mount --pid --fork chroot "$tree" /init >"$log" 2>&1 </dev/null &
init=$!
wait_for 180 "the root is written to" over
sed 's/^/# /' "$log"
check "the root is written to" line '^written$'
is "the root is on the device" "$(said root)" "$(said device)"
check "generation 1 served first" line '^generation: 1$'
check "handed over from the root itself" line '^handover: done$'
check "generation 2 serves" line '^generation: 2$'
check "its daemon killed, the root goes on" line '^restart: done$'
is "by a daemon like the one that died" "$(said "restarted as")" second
finished=1	# not finish: that root is in use, and stays so until the guest is off
exit 0
