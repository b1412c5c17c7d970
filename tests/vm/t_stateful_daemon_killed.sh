#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4, P6: a daemon that dies with what only its memory has loses nothing that was flushed, and the next flush tells of it.
# vm: --mem 512 --cpus 2 --disk 64M --timeout 1800
# add: build/tests/wb/dmuser-first-wb build/tests/wb/dmuser-second-wb tests/vm/lib.sh tests/vm/wb.sh
# shellcheck source=tests/vm/wb.sh
. /add/wb.sh

device=/dev/mapper/$name

# put AT: 16 new blocks at block AT, of which /tmp/AT has a copy. They fit in memory.
put() {
	dd if=/dev/urandom of="/tmp/$1" bs=4k count=16 2>/dev/null || fail "random bytes"
	dd if="/tmp/$1" of="$device" bs=4k seek="$1" count=16 oflag=direct conv=notrunc 2>/dev/null || fail "write at $1"
}

# has WHERE AT: it has those
has() {
	dd if="$1" bs=4k skip="$2" count=16 iflag=direct 2>/dev/null | cmp -s - "/tmp/$2"
}

hasnt() {
	! has "$@"
}

flush() {
	/usr/sbin/xfs_io -c fsync "$device" >/dev/null 2>&1
}

# The flushes after a loss: one fails, and no other.
flush_tells() {
	! flush || fail "$1: a flush does not tell of what is lost"
	check "$1: one flush tells of what is lost" flush
}

kill_server() {
	old=$(server)
	kill -KILL "$old"
	wait_for 20 "it is dead" gone "$old"
	wait_for 20 "its channels are gone" word_is channels 0
	dmuserctl unseal "$name" || fail "unseal"
}

# What was flushed to begin with is there, after whatever has happened at $1.
all_flushed() {
	for at in $flushed; do
		has "$device" "$at" || fail "$1: flushed blocks at $at are lost"
		has "$disk" "$at" || fail "$1: flushed blocks at $at are not on the store"
	done
	ok "$1: all that was flushed is there: $flushed"
}

wb_create
put 0
put 1000
check "a flush" flush
flushed="0 1000"

# ---- killed, alone: what was not flushed was in memory ----

put 2000
put 1000
check "it is there to be read" has "$device" 2000
check "and not on the store" hasnt "$disk" 2000
kill_server
wb_second || fail "restart: $(cat /tmp/said)"
check "it died with it" hasnt "$device" 2000
flushed=0
all_flushed "killed alone"
flush_tells "killed alone"

# ---- what one generation was given, the next one flushes ----

put 3000
wb_second || fail "handover: $(cat /tmp/said)"
check "blocks passed on" test "$(wb_count imported)" = 16
check "not yet on the store" hasnt "$disk" 3000
check "a flush" flush
flushed="0 3000"
kill_server
wb_second || fail "restart: $(cat /tmp/said)"
all_flushed "flushed by the next one"
flush_tells "flushed by the next one"

# ---- an old one that dies after the newcomer has its state: nothing is lost, there is nothing to tell ----

put 4000
wb_watch exit_group KILL 1
wb_second || fail "handover: $(cat /tmp/said)"
wait "$strace"
grep -q 'killed by SIGKILL' /tmp/strace || fail "not killed at its exit"
check "killed at its exit: the next one has the state" has "$device" 4000
check "there is nothing to tell" flush
flushed="0 3000 4000"
all_flushed "killed at its exit"

# ---- and before it has ----

put 2000
wb_watch sendmsg KILL 3
wb_second || fail "the newcomer gives up: $(cat /tmp/said)"
wait "$strace"
grep -q 'killed by SIGKILL' /tmp/strace || fail "not killed at DRAINED"
all_flushed "killed at DRAINED"
flush_tells "killed at DRAINED"

# ---- a file system with all of that below it, but for deaths ----

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
is "errors that daemons answered are those that tell" "$(word errors)" 3
remove
check "ext4: fsck of the store says clean" fs_check fsck.ext4 -fn "$disk"
mount -t ext4 -o ro "$disk" /mnt || fail "mount the store"
(cd /mnt && sha256sum -c /tmp/sums >/tmp/wrong 2>&1) || fail "$(grep -v ': OK$' /tmp/wrong)"
ok "$(wc -l </tmp/sums) files have their bytes on the store"
umount /mnt
finish
