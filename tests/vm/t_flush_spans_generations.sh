#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P6: a flush that generation n+1 answers covers writes of generation n, and FUA reaches the disk.
# vm: --mem 512 --cpus 2 --disk 64M
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# The disk in sysfs; on a user-mode kernel $disk is a link.
about=/sys/block/$(basename "$(realpath "$disk")")

# Fields of the disk's statistics.
stat_of() {
	cut -c1- "$about/stat" | awk -v field="$1" '{ print $field }'
}
sectors() {
	stat_of 7
}
flushes() {
	stat_of 16
}

write_mib() {
	dd if=/tmp/data of=/dev/mapper/t bs=1M seek="$1" count=4 oflag=direct conv=notrunc \
		2>/dev/null || fail "write"
}

is "the disk has a cache" "$(cat "$about/queue/write_cache")" "write back"
# Keep the kernel from writing back on its own.
echo 360000 >/proc/sys/vm/dirty_expire_centisecs
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
echo 90 >/proc/sys/vm/dirty_ratio
echo 80 >/proc/sys/vm/dirty_background_ratio
dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null
create "$name" "file:$disk,buffered" || fail "create"
at=0
for next in buffered direct buffered; do
	mode=$(dmuserctl status --json "$name" | jq -r .daemon.cache)
	before=$(sectors)
	write_mib $at
	if [ "$mode" = buffered ]; then
		check "$mode: the write is in memory only" test $(($(sectors) - before)) -lt 8192
	fi
	handover "$name" "file:$disk,$next" >/dev/null || fail "handover to $next"
	was=$(flushes)
	/usr/sbin/xfs_io -c fsync /dev/mapper/t || fail "fsync"
	check "$mode, then $next: after the flush the write is on the disk" \
		test $(($(sectors) - before)) -ge 8192
	check "$mode, then $next: the flush reaches the disk" test "$(flushes)" -gt "$was"
	dd if="$disk" bs=1M skip=$at count=4 iflag=direct 2>/dev/null | cmp - /tmp/data ||
		fail "other bytes on the disk"
	ok "$mode, then $next: the disk has the right bytes"

	before=$(sectors) was=$(flushes)
	/usr/sbin/xfs_io -d -c "pwrite -q -V 1 -D -b 64k $((at + 4))m 64k" /dev/mapper/t ||
		fail "durable write"
	check "$next: a FUA write is on the disk when it ends" test $(($(sectors) - before)) -ge 128
	check "$next: the disk was flushed" test "$(flushes)" -gt "$was"
	at=$((at + 8))
done
is "errors" "$(word errors)" 0
remove
finish
