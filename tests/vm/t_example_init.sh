#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4: the init script that README.md shows, as it stands, boots a root that dm-user serves; from there, a handover, and the death of the daemon.
# vm: --mem 512 --cpus 2 --disk 128M
# quick: backports
# add: initramfs/busybox/example-init.sh README.md tests/vm/lib.sh tests/vm/example.sh
# shellcheck source=tests/vm/example.sh
. /add/example.sh

log=/tmp/example.log

# A root whose init says what it sees, hands its own root over, says it again, and stays.
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
boot_example "$log"
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
