#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P6: what one generation has written and the store has lost, a flush says, whichever generation answers it.
# vm: --mem 512 --cpus 2 --disk 64M
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

sectors=8192
store=/dev/mapper/store

# The store's table from now on; what is under way or in a cache stays as it is.
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
	dd if=/dev/urandom of="/dev/mapper/$name" bs=64k count=4 oflag=direct conv=notrunc 2>/dev/null ||
		fail "write"
}

# Written back in vain, which no flush has told yet: sync(1) asks for no errors.
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
	check "$1: the one after that does not" flushes
}

# The first direct read after a loss fails, whoever makes it: then that is the newcomer's self-test.
next_is() {
	handover "$name" "file:$store,$1" >/dev/null 2>&1 && return
	[ "$1" = direct ] && handover "$name" "file:$store,$1" >/dev/null || fail "handover to $1"
}

dmsetup create store --table "0 $sectors linear $disk 0" || fail "store"
create "$name" "file:$store,buffered" || fail "create"
write_some
check "all is well: a flush succeeds" flushes
check "so does a durable write" fua

write_some
next_is buffered
loses
told_once "lost after a handover"

write_some
loses
next_is buffered
told_once "lost before a handover"

# killed: the daemon, while the store is broken
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
check "the table has the store open: nothing is lost by a killed daemon" flushes
forget_claim
killed
told_once "lost by the last close of a killed daemon"

write_some
loses
check "lost and told: the flush fails" fails
next_is buffered
check "lost and told before a handover: the newcomer's flush succeeds" flushes

# A durable write that must sync is told of it in the place of the flush.
for cache in buffered direct; do
	write_some
	loses
	next_is $cache
	check "lost, then a durable write, $cache: it fails" fua_fails
	told_once "lost, told to a durable write, $cache"
	check "and a durable write succeeds again" fua
	next_is buffered
done
remove
dmsetup remove store || fail "remove store"
finish
