#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4, P11: suspend, resume, reload and removal work with a live, a stopped and no daemon, and
# the module unloads after each.
# vm: --mem 512 --cpus 2 --disk 64M
# add: build/tests/vm/load tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

grown() {
	[ "$(blockdev --getsz /dev/mapper/t)" = "$1" ]
}

# suspend_resume WHAT OPTION...
suspend_resume() {
	local what=$1
	shift
	timeout 30 dmsetup suspend "$@" "$name" || fail "$what: suspend $*"
	is "$what: suspended" "$(word suspended)" 1
	timeout 30 dmsetup resume "$name" || fail "$what: resume"
	is "$what: resumed" "$(word suspended)" 0
}

# reload WHAT SECTORS
reload() {
	dmsetup table "$name" | sed "s/^0 [0-9]* /0 $2 /" | dmsetup load "$name" || fail "$1: load"
	timeout 30 dmsetup suspend --noflush --nolockfs "$name" || fail "$1: suspend"
	timeout 30 dmsetup resume "$name" || fail "$1: resume"
	check "$1: the device has $2 sectors" grown "$2"
}

say "a live daemon"
create "$name" "file:$disk,direct,extents=off" || fail "create"
sectors=$(blockdev --getsz "/dev/mapper/$name")
load_start -S 16
suspend_resume live
suspend_resume live --noflush
load_progress
# Down and up again: the backing store does not grow.
reload live $((sectors - 2048))
load_progress
reload live "$sectors"
load_progress
load_stop
pid=$(server)
wait_for 20 "no process uses $name" unused "$name"
check "live: dmsetup remove" dmsetup remove "$name"
wait_for 20 "live: the daemon leaves" gone "$pid"
nothing_left live
check "live: the module unloads" rmmod dm-user
modprobe dm-user

say "no daemon"
create "$name" "file:$disk,direct,extents=off" || fail "create"
pid=$(server)
kill -KILL "$pid"
wait_for 20 "the daemon is dead" gone "$pid"
dd if=/dev/mapper/t of=/tmp/read bs=4k count=4 iflag=direct 2>/dev/null &
reader=$!
wait_for 20 "a read waits" word_at_least queued 1
suspend_resume absent --noflush --nolockfs
reload absent $((sectors - 2048))
reload absent "$sectors"
wait_for 20 "the read waits again" word_at_least queued 1
handover "$name" >/dev/null || fail "restart"
wait $reader || fail "the read failed"
ok "absent: the next daemon answers the read"
pid=$(server)
kill -KILL "$pid"
wait_for 20 "the daemon is dead" gone "$pid"
check "absent: dmuserctl remove" dmuserctl remove "$name"
nothing_left absent
check "absent: the module unloads" rmmod dm-user
modprobe dm-user

say "a stopped daemon"
create "$name" "file:$disk,direct,extents=off" || fail "create"
pid=$(server)
kill -STOP "$pid"
wait_for 20 "the daemon is stopped" in_state "$pid" T
dd if=/dev/mapper/t of=/tmp/read bs=4k count=4 iflag=direct 2>/dev/null &
reader=$!
wait_for 20 "a read waits" word_at_least queued 1
suspend_resume stopped --noflush --nolockfs
reload stopped $((sectors - 2048))
wait_for 20 "the read waits again" word_at_least queued 1
timeout 60 dmuserctl remove --force "$name" >/tmp/said 2>&1
! wait $reader || fail "a read of a device that was removed by force succeeded"
ok "stopped: removed by force, the read failed"
kill -CONT "$pid"
wait_for 30 "the daemon leaves when it goes on" gone "$pid"
timeout 30 dmuserctl remove "$name" >/dev/null 2>&1
nothing_left stopped
finish
