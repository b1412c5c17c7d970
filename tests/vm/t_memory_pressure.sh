#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P2, P4, P5: with little memory, most of it dirty pages of the served device, and with hogs,
# I/O goes on with the right bytes through a handover and the death of the daemon.
# vm: --mem 384 --cpus 1 --disk 1G --timeout 900
# kernel-log-allow: Out of memory: Killed process [0-9]+ \(hog\)
# kernel-log-allow: hog invoked oom-killer|Call Trace
# kernels: 6.12 trixie backports debug
# quick: 6.12
# add: build/tests/vm/hog build/tests/vm/relaunch tests/vm/lib.sh tests/vm/memory.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh
# shellcheck source=tests/vm/memory.sh
. /add/memory.sh

# is_flusher PID: all threads of the process have PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE.
is_flusher() {
	local stat fields
	for stat in "/proc/$1/task/"*/stat; do
		read -r -a fields <<<"$(sed 's/.*) //' "$stat")"
		[ $((fields[6] & 0x180000)) = $((0x180000)) ] || return 1
	done
}

more_dirty_than_free() {
	[ $(($(kib Dirty) + $(kib Writeback))) -gt "$(kib MemFree)" ]
}

# goes_on WHAT: the hogs and writes to the device go on, while clean pages are dropped.
goes_on() {
	local writes
	writes=$(word writes)
	echo 1 >/proc/sys/vm/drop_caches
	hogs_go_on "$1" "$pages"
	echo 3 >/proc/sys/vm/drop_caches
	await 180 "$1: the device is written" word_at_least writes $((writes + 10))
	hogs_go_on "$1, again" "$pages"
	ok "$1: $(word writes) writes, $(word reads) reads so far"
}

# hog_dies WHAT: start a hog that wants all memory, and that the OOM killer prefers.
hog_dies() {
	local status=0
	(echo 1000 >/proc/self/oom_score_adj && exec /add/hog $(($(kib MemTotal) / 1024))) ||
		status=$?
	[ "$status" = 137 ] || fail "$1: the hog was not killed ($status)"
	ok "$1: memory ran out, and a hog was killed"
}

memory_prepare
echo 70 >/proc/sys/vm/dirty_ratio
echo 60 >/proc/sys/vm/dirty_background_ratio
create "$name" "file:$disk,buffered,extents=off" || fail "create"
check "the daemon never waits for I/O to get memory" is_flusher "$(server)"
mkfs.ext4 -q "/dev/mapper/$name" && mount -t ext4 "/dev/mapper/$name" /mnt || fail "a file system"
pages=300
avail=$(($(kib MemAvailable) / 1024))
say "$(kib MemTotal) KiB of memory, $avail MiB available"
# A hog of anonymous memory, and a hog of a file for which too little memory is left.
hog_start $((avail / 3))
hog_start -f /mnt/hog $((avail))
await 180 "more memory is dirty than free" more_dirty_than_free
ok "dirty or in writeback $(($(kib Dirty) + $(kib Writeback))) KiB, free $(kib MemFree) KiB"
await 180 "the hogs have filled their memory" hogs_past filled $((avail * 256 / 3 - 256))
goes_on "one daemon"
generation=1
for what in handover death mode; do
	generation=$((generation + 1))
	case $what in
	handover) handover "$name" >/dev/null || fail "handover" ;;
	mode) handover "$name" "file:$disk,direct" >/dev/null || fail "handover to direct I/O" ;;
	death) daemon_dies 300 ;;
	esac
	is "generation after a $what" "$(word generation)" "$generation"
	check "after a $what, the daemon never waits for I/O to get memory" is_flusher "$(server)"
	goes_on "after a $what"
	[ $what = death ] || hog_dies "after a $what"
done
say "$(word requeued) orphans"
is "errors" "$(word errors)" 0
is "requests that failed" "$(word failed)" 0
hogs_stop
umount /mnt || fail "umount"
check "fsck says clean" fs_check e2fsck -fn "/dev/mapper/$name"
remove
check "fsck of the backing disk" fs_check e2fsck -fn "$disk"
finish
