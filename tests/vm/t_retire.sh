#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P15, P14: under load the daemon leaves for good and the device becomes plain dm-linear, and a
# daemon comes back; what cannot be is refused by name and changes nothing.
# vm: --mem 512 --cpus 2 --disk 64M --disk 64M
# add: build/tests/vm/load tests/vm/lib.sh
# quick: 6.12
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

sectors=$(blockdev --getsz "$disk")
number=$(lsblk -dno MAJ:MIN "$(realpath "$disk")" | tr -d ' ')

# The table, without what differs between runs.
table() {
	dmsetup table "$name"
}

maps() {
	word_is mapped "$sectors" && word_is clean 1
}

no_files() {
	[ -z "$(find "$run" -mindepth 1)" ]
}

is_user() {
	[[ $(table) == *" user "* ]]
}

is_linear() {
	is "$1: the table" "$(table)" "0 $sectors linear $number 0"
}

say "out and in, under load"
check "a device" create "$name" "file:$disk"
wait_for 20 "the kernel maps the disk" maps
check "a watchdog" dmuser-watch "$name"
watchdog=$(dmuserctl status --json "$name" | jq .watchdog.pid)
load_start
for round in 1 2 3; do
	daemon=$(server)
	check "retire" dmuserctl retire "$name"
	is_linear "round $round"
	[ -z "$daemon" ] || wait_for 20 "the daemon is gone" gone "$daemon"
	wait_for 20 "the watchdog is gone" gone "$watchdog"
	wait_for 20 "the files are gone" no_files
	load_progress
	check "attach" dmuserctl attach --timeout "$patience" "$name"
	wait_for 20 "the kernel maps the disk" maps
	load_progress
	# With and without a daemon: in the last round it is dead.
	[ "$round" != 2 ] || crash
done
check "retire as JSON" test "$(dmuserctl retire --json "$name" | jq .retired)" = true
load_progress
is_linear "the end"

say "what cannot be attached"
fails_saying "it was retired" dmuserctl retire "$name"
fails_saying "needs extents" dmuserctl attach "$name" "file:$disk,extents=off"
fails_saying "needs extents" dmuserctl attach "$name" "file:$disk,buffered"
fails_saying "unknown option" dmuserctl attach "$name" "file:$disk,quick"
is_linear "refused"
fails_saying "is not the disk of its table" dmuserctl attach "$name" "file:/dev/vdb"
is_linear "another disk"
fails_saying "all is as it was" dmuserctl attach --program /bin/false "$name"
is_linear "a program that is no daemon"
load_progress
load_stop
dmsetup create plain --table "0 8 linear /dev/vdb 0" || fail "another linear device"
fails_saying "not a device that dmuserctl has made" dmuserctl attach plain
dmsetup remove plain

say "what cannot be retired"
check "attach" dmuserctl attach --timeout "$patience" "$name" "file:$disk"
fails_saying "device of the dm-user target already" dmuserctl attach "$name"
wait_for 20 "the kernel maps the disk" maps
dmsetup message "$name" 0 unmap || fail "unmap"
before=$(table)
fails_saying "maps 0 of its $sectors sectors" dmuserctl retire "$name"
is "the table after that" "$(table)" "$before"
is "pinned" "$(word pinned)" ""
handover "$name" || fail "handover"
wait_for 20 "the kernel maps the disk" maps
# Another program is about to change the table.
dmsetup load "$name" --table "0 $sectors error" || fail "load"
fails_saying "another table of it waits" dmuserctl retire "$name"
is "pinned" "$(word pinned)" ""
dmsetup clear "$name"
dmsetup suspend "$name"
fails_saying "it is suspended" dmuserctl retire "$name"
dmsetup resume "$name"
maps || fail "not mapped any more"
remove
check "larger blocks than the disk has" create "$name" \
	"file:$disk,logical_block_size=4096,physical_block_size=4096"
wait_for 20 "the kernel maps the disk" maps
fails_saying "its logical_block_size is 4096" dmuserctl retire "$name"
is "pinned" "$(word pinned)" ""
handover "$name" || fail "handover after a refused retire"
remove
check "no extents" create "$name" "file:$disk,extents=off"
fails_saying "its table has no extents" dmuserctl retire "$name"
remove

say "dmuserctl is killed at every call of device-mapper"
check "a device" create "$name" "file:$disk"
wait_for 20 "the kernel maps the disk" maps
load_start
for call in $(seq 1 40); do
	(strace -f -qq -o /tmp/strace -P /dev/mapper/control -e trace=ioctl \
		-e inject="ioctl:signal=KILL:when=$call" dmuserctl retire "$name") \
		>/tmp/said 2>&1
	load_progress 1
	grep -q SIGKILL /tmp/strace || break
	# It can be repeated. Then back.
	! is_user || dmuserctl retire "$name" >/tmp/said || fail "call $call: $(cat /tmp/said)"
	is_user && fail "not retired after call $call"
	dmuserctl attach --timeout "$patience" "$name" >/tmp/said 2>&1 ||
		fail "attach after call $call: $(cat /tmp/said)"
	wait_for 20 "the kernel maps the disk after call $call" maps
done
check "killed at each of $((call - 1)) calls: I/O went on, and retire went on" [ "$call" -gt 6 ]
is_linear "after them"
load_stop
remove

say "a disk that shrinks, and one that is slow"
dmsetup create store --table "0 8192 linear /dev/vdb 0" || fail "store"
store_is() {
	dmsetup suspend --noflush --nolockfs store && dmsetup load store --table "$1" &&
		dmsetup resume store || fail "store: $1"
}
create "$name" file:/dev/mapper/store || fail "create"
wait_for 20 "the kernel maps it" word_is mapped 8192
store_is "0 4096 linear /dev/vdb 0"
fails_saying "ends beyond" dmuserctl retire "$name"
is "suspended" "$(dmsetup info -c --noheadings -o suspended "$name")" Active
is "pinned" "$(word pinned)" ""
check "it can be read" dd if="/dev/mapper/$name" of=/dev/null bs=4k count=1 iflag=direct status=none
store_is "0 8192 delay /dev/vdb 0 2000"
dd if=/dev/zero of="/dev/mapper/$name" bs=4k count=1 oflag=direct status=none &
wait_for 20 "a write is under way" word_at_least mapped_writes 1
dmuserctl retire "$name" >/tmp/said 2>&1 &
retire=$!
wait_for 20 "retire waits for it" word_is pinned 1
kill -TERM "$retire"
wait "$retire"
! is_user || dmuserctl retire "$name" || fail "retire after a signal"
is_user && fail "not retired"
ok "a signal while requests are in flight"
remove
dmsetup remove store

say "a read-only device"
check "a read-only device" create "$name" "file:$disk,ro"
wait_for 20 "the kernel maps the disk" word_is mapped "$sectors"
check "retire" dmuserctl retire "$name"
is "read-only" "$(blockdev --getro "/dev/mapper/$name")" 1
is_linear "read-only"
remove
finish
