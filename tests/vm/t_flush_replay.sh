#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P6: data that a flush or FUA made durable is in a replay of the store's writes to every mark,
# whichever daemon wrote it and whichever daemon flushed it.
# vm: --mem 512 --cpus 2 --disk 64M --disk 512M
# kernels: 6.12 trixie backports debug kcsan uml-6.1 uml-6.12
# add: build/tests/vm/order/flushes build/tests/vm/order/replay build/tests/vm/order/careless
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# User-mode kernels run at the speed of the machine, emulated kernels do not.
handovers=3 mib=4
[ ! -e /proc/exitcode ] || handovers=$(bounded 10 4)
handovers=${REPLAY_HANDOVERS:-$handovers}
sectors=$((mib * 2048))
log=/dev/vdb

log_new() {
	dmsetup create log --table "0 $sectors log-writes $disk $log" || fail "dm-log-writes"
}

# The log is complete when the device is removed.
log_end() {
	wait_for 20 "no process uses the log" unused log
	dmsetup remove log || fail "remove log"
}

marks() {
	local line=0
	{ read -r line </tmp/events.marks; } 2>/dev/null
	[ "${line:-0}" -ge "$1" ]
}

flushes_start() {
	rm -f /tmp/events*
	/add/flushes -d "/dev/mapper/$name" -l log -s "$mib" -o /tmp/events >/tmp/flushes 2>&1 &
	flushes=$!
}

flushes_stop() {
	kill "$flushes"
	wait "$flushes" || fail "flushes: $(cat /tmp/flushes)"
}

marks_past() {
	local now
	read -r now </tmp/events.marks
	wait_for 60 "there are $1 more marks" marks $((now + $1))
}

# Exit status: 0 if no durable data is missing, 3 if some is.
replay() {
	/add/replay -l "$log" -e /tmp/events -s "$mib" >/tmp/replay
	local status=$?
	sed 's/^/# /' /tmp/replay
	return $status
}

# spans CACHE...: write and flush while generations of these kinds follow each other.
spans() {
	local kinds=("$@") n
	log_new
	create "$name" "file:/dev/mapper/log,${kinds[0]},extents=off" || fail "create"
	flushes_start
	wait_for 60 "there are 4 marks" marks 4
	for n in $(seq "$handovers"); do
		handover "$name" "file:/dev/mapper/log,${kinds[n % ${#kinds[@]}]}" >/dev/null ||
			fail "handover"
		marks_past 2
		[ $((n % 4)) != 0 ] || killed "${kinds[n % ${#kinds[@]}]}"
	done
	flushes_stop
	is "$*: errors" "$(word errors)" 0
	remove
	log_end
	check "$*, $handovers handovers: all data durable at a mark is there" replay
}

killed() {
	local pid
	pid=$(server)
	kill -KILL "$pid"
	wait_for 20 "the daemon is dead" gone "$pid"
	handover "$name" "file:/dev/mapper/log,$1" >/dev/null || fail "restart"
	marks_past 2
}

spans buffered
spans direct
spans buffered direct

# A file system that fsck must find clean at each mark.
log_new
create "$name" file:/dev/mapper/log,buffered,extents=off || fail "create"
mke2fs -q -t ext4 "/dev/mapper/$name" || fail "mke2fs"
mount -t ext4 "/dev/mapper/$name" /mnt || fail "mount"
for n in 1 2 3; do
	mkdir /mnt/dir$n
	for i in $(seq 10); do
		echo "$n $i" >"/mnt/dir$n/file$i"
	done
	if [ $n = 2 ]; then
		handover "$name" file:/dev/mapper/log,direct >/dev/null || fail "handover"
		rm -r /mnt/dir1
	fi
	sync
	dmsetup message log 0 mark "fs$n" || fail "mark"
done
umount /mnt || fail "umount"
remove
log_end
for n in 1 2 3; do
	/add/replay -l "$log" -s "$mib" -m "fs$n" -x /tmp/image || fail "image of mark fs$n"
	e2fsck -E journal_only -p /tmp/image >/dev/null 2>&1
	check "ext4 at mark $n: fsck says clean" fs_check e2fsck -fn /tmp/image
	is "the last file at mark $n" \
		"$(debugfs -R "cat dir$n/file10" /tmp/image 2>/dev/null)" "$n 10"
done

# The replay must detect a daemon whose flushes do nothing.
log_new
dmsetup create "$name" --table "0 $sectors user 0 0 $name" || fail "create for careless"
/add/careless dry "$name" /dev/mapper/log || fail "careless"
flushes_start
wait_for 60 "there are 20 marks" marks 20
flushes_stop
wait_for 20 "no process uses $name" unused "$name"
dmsetup remove "$name" || fail "remove"
log_end
replay >/dev/null
is "replay's status for a daemon whose flushes do nothing" "$?" 3
finish
