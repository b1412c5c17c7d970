#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4: the init script in README.md, unchanged, boots a root that dm-user serves and that
# survives a handover from within and the death of its daemon.
# vm: --mem 512 --cpus 2 --disk 128M
# quick: backports
# add: initramfs/busybox/example-init.sh README.md tests/vm/lib.sh tests/vm/example.sh
# shellcheck source=tests/vm/example.sh
. /add/example.sh

log=/tmp/example.log

# Make a root whose init prints what it sees, hands its own root over, kills its daemon, and stays.
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

# The root's init has printed its last line, or its shell has failed.
over() {
	line '^written$' || gone "$init"
}

# said KEY: print the value that the root's init first printed for KEY.
said() {
	sed -n "s/^$1: //p" "$log" | head -n 1
}

line() {
	grep -q "$1" "$log"
}

# shellcheck disable=SC2016 # the backticks are Markdown
sed -n '/^```sh$/,/^```$/p' /add/README.md | sed '/^```/d' >/tmp/readme.sh
check "README.md shows this script" cmp /tmp/readme.sh /add/example-init.sh
make_initramfs
make_root
boot_example "$log"
wait_for 180 "the root is written to" over
sed 's/^/# /' "$log"
check "the root is written to" line '^written$'
is "the root is on the device" "$(said root)" "$(said device)"
check "generation 1 served first" line '^generation: 1$'
check "the root itself hands over" line '^handover: done$'
check "generation 2 serves" line '^generation: 2$'
check "the root goes on after the death of its daemon" line '^restart: done$'
is "the stage of the restarted daemon" "$(said "restarted as")" second
finished=1	# not finish: that root is in use until the guest is off
exit 0
