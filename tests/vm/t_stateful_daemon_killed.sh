#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4, P6: a daemon that dies with data that only its memory has loses no flushed data, and the next
# flush reports the loss.
# vm: --mem 512 --cpus 2 --disk 64M --timeout 1800
# add: build/tests/wb/dmuser-first-wb build/tests/wb/dmuser-second-wb tests/vm/lib.sh tests/vm/wb.sh
# shellcheck source=tests/vm/wb.sh
. /add/wb.sh

device=/dev/mapper/$name

# put AT: write 16 new blocks at block AT; /tmp/AT has a copy. They fit in the daemon's memory.
put() {
	dd if=/dev/urandom of="/tmp/$1" bs=4k count=16 2>/dev/null || fail "random bytes"
	dd if="/tmp/$1" of="$device" bs=4k seek="$1" count=16 oflag=direct conv=notrunc \
		2>/dev/null || fail "write at $1"
}

# has WHERE AT: WHERE has the blocks of "put AT".
has() {
	dd if="$1" bs=4k skip="$2" count=16 iflag=direct 2>/dev/null | cmp -s - "/tmp/$2"
}

hasnt() {
	! has "$@"
}

flush() {
	/usr/sbin/xfs_io -c fsync "$device" >/dev/null 2>&1
}

# After a loss exactly one flush fails.
flush_tells() {
	! flush || fail "$1: no flush fails after a loss"
	check "$1: only one flush fails after a loss" flush
}

# all_flushed WHEN: the blocks that have been flushed are on the device and on the store.
all_flushed() {
	for at in $flushed; do
		has "$device" "$at" || fail "$1: flushed blocks at $at are lost"
		has "$disk" "$at" || fail "$1: flushed blocks at $at are not on the store"
	done
	ok "$1: all flushed blocks are there: $flushed"
}

wb_create
put 0
put 1000
check "a flush" flush
flushed="0 1000"

# ---- killed alone: blocks that were not flushed are lost ----

put 2000
put 1000
check "a new block can be read" has "$device" 2000
check "a new block is not on the store" hasnt "$disk" 2000
kill_server
! WB_FAULT=begin wb_second || fail "a daemon serves whose backend cannot begin"
check "a backend that cannot begin: $(cat /tmp/said)" \
	grep -q 'backend wb cannot begin: No data available' /tmp/said
wait_for 20 "that daemon is gone" no_daemons
dmuserctl unseal "$name" || fail "unseal"
wb_second || fail "restart: $(cat /tmp/said)"
check "the new block died with the daemon" hasnt "$device" 2000
flushed=0
all_flushed "killed alone"
flush_tells "killed alone"

# ---- a generation flushes blocks that were written to the generation before: nothing is lost ----

losses() {
	dmesg | grep -c 'wb: writes that were not flushed may be lost'
}

put 3000
wb_second || fail "handover: $(cat /tmp/said)"
check "16 blocks are passed on" test "$(wb_count imported)" = 16
check "they are not on the store yet" hasnt "$disk" 3000
check "a flush" flush
flushed="0 3000"
kill_server
wb_second || fail "restart: $(cat /tmp/said)"
all_flushed "flushed by the next generation"
check "flushed by the next generation: no flush fails" flush
is "losses that the log tells of" "$(losses)" 1

# ---- the old daemon dies after the newcomer has its state: nothing is lost, no flush fails ----

put 4000
wb_watch exit_group KILL 1
wb_second || fail "handover: $(cat /tmp/said)"
wait "$strace"
grep -q 'killed by SIGKILL' /tmp/strace || fail "not killed at its exit"
check "killed at its exit: the newcomer has the state" has "$device" 4000
check "killed at its exit: no flush fails" flush
flushed="0 3000 4000"
all_flushed "killed at its exit"

# ---- the old daemon dies before the newcomer has its state ----

put 2000
wb_watch sendmsg KILL 3
wb_second || fail "the newcomer gives up: $(cat /tmp/said)"
wait "$strace"
grep -q 'killed by SIGKILL' /tmp/strace || fail "not killed at DRAINED"
all_flushed "killed at DRAINED"
flush_tells "killed at DRAINED"

# ---- a file system on it, with handovers but no deaths ----

mkfs.ext4 -q "$device" || fail "mkfs.ext4"
mount -t ext4 "$device" /mnt || fail "mount"
for round in 1 2 3 4; do
	fs_churn /mnt "$round" || fail "churn $round"
	case $round in
	2) wb_second || fail "handover: $(cat /tmp/said)" ;;
	3) wb_take "$wb_first" || fail "handover: $(cat /tmp/said)" ;;
	esac
done
(cd /mnt && find . -type f -print0 | xargs -0 sha256sum) >/tmp/sums || fail "checksums"
umount /mnt || fail "umount"
check "a flush" flush
is "errors that daemons answered, all of them to flushes" "$(word errors)" 2
remove
check "ext4: fsck of the store says clean" fs_check fsck.ext4 -fn "$disk"
mount -t ext4 -o ro "$disk" /mnt || fail "mount the store"
(cd /mnt && sha256sum -c /tmp/sums >/tmp/wrong 2>&1) || fail "$(grep -v ': OK$' /tmp/wrong)"
ok "$(wc -l </tmp/sums) files have their bytes on the store"
umount /mnt
finish
