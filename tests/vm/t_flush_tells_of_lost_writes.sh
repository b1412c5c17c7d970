#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P6: when the store has lost a write of any generation, the next flush fails, whichever generation
# answers it.
# vm: --mem 512 --cpus 2 --disk 64M
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

sectors=8192
store=/dev/mapper/store

# store_is TABLE...: load a table for the store. Writes in flight and in caches stay where they are.
store_is() {
	dmsetup suspend --noflush --nolockfs store && dmsetup load store --table "0 $sectors $*" &&
		dmsetup resume store || fail "store: $*"
}

breaks() {
	store_is flakey "$disk" 0 0 1 1 error_writes
}

mends() {
	store_is linear "$disk" 0
}

write_some() {
	dd if=/dev/urandom of="/dev/mapper/$name" bs=64k count=4 oflag=direct conv=notrunc \
		2>/dev/null || fail "write"
}

# Write back while the store fails. sync(1) reports no error, so the next flush has to.
loses() {
	breaks
	sync
	mends
}

flushes() {
	/usr/sbin/xfs_io -c fsync "/dev/mapper/$name" >/dev/null 2>&1
}

fails() {
	! flushes
}

fua() {
	/usr/sbin/xfs_io -d -c "pwrite -q -V 1 -D -b 4k 1m 4k" "/dev/mapper/$name" >/tmp/fua 2>&1 &&
		! grep -q error /tmp/fua
}

fua_fails() {
	! fua
}

told_once() {
	check "$1: the next flush fails" fails
	check "$1: the flush after that succeeds" flushes
}

# The first direct read after a loss fails: here, that is the newcomer's self-test. Try again.
next_is() {
	handover "$name" "file:$store,$1" >/dev/null 2>&1 && return
	[ "$1" != buffered ] && handover "$name" "file:$store,$1" >/dev/null ||
		fail "handover to $1"
}

dmsetup create store --table "0 $sectors linear $disk 0" || fail "store"
create "$name" "file:$store,buffered,extents=off" || fail "create"
write_some
check "no loss: a flush succeeds" flushes
check "no loss: a durable write succeeds" fua

write_some
next_is buffered
loses
told_once "lost after a handover"

write_some
loses
next_is buffered
told_once "lost before a handover"

# Kill the daemon while the store fails.
killed() {
	local pid
	write_some
	breaks
	pid=$(server)
	kill -KILL "$pid"
	wait_for 60 "the daemon is dead" gone "$pid"
	wait_for 20 "its channels are gone" word_is channels 0
	mends
	next_is buffered
}

killed
check "the table has the store open: the death of a daemon loses nothing" flushes
forget_claim
killed
told_once "lost at the last close, of a killed daemon"

write_some
loses
check "lost, then told: the flush fails" fails
next_is buffered
check "lost and told before a handover: the newcomer's flush succeeds" flushes

# A durable write that must sync gets the store's error, and the next flush must fail all the same.
for cache in buffered direct; do
	write_some
	loses
	next_is $cache
	check "lost, $cache: a durable write fails" fua_fails
	told_once "lost, told to a durable write, $cache"
	check "lost, $cache: a durable write succeeds again" fua
	next_is buffered
done
remove

say "the kernel maps the store: no daemon has it open"
create "$name" "file:$store,buffered" || fail "create"
mapped() {
	next_is direct
	wait_for 20 "the kernel maps the store" word_is mapped "$sectors"
}

write_some
loses
mapped
told_once "lost before it was mapped"
next_is buffered
write_some
breaks
mapped
mends
told_once "lost while it was written back for that"
next_is buffered
write_some
mapped
check "nothing was lost: a flush succeeds" flushes
next_is buffered

# The old daemon is dead, and what was lost is known to the inode alone.
write_some
loses
crash
mapped
told_once "lost, of a killed daemon"

# A flush that waits for a daemon when the loss is found.
next_is buffered
write_some
crash
breaks
(flushes && echo 0 || echo 1) >/tmp/waited &
wait_for 20 "a flush waits" word_is queued 1
next_is extents=on
wait
is "a flush that waited for the daemon" "$(cat /tmp/waited)" 1
mends
check "the flush after that succeeds" flushes
remove
dmsetup remove store || fail "remove store"
finish
