#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4, P8: a daemon that others build on an installed libdmuser is handed over under load,
# upgraded, killed and restarted, and confined; what its backend may not do, kills it by name.
# vm: --mem 512 --cpus 2 --disk 64M
# append: audit=1
# kernels: 6.1 6.12 trixie backports
# quick: 6.12
# add: build/tests/vm/load build/tests/example/headed build/tests/example/headed-broken
# add: build/tests/example/headed-next tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

serves() {
	[ "$(dmuserctl status --json "$name" | jq -r '.served')" = true ]
}

restarted() {
	serves && [ "$(server)" != "$1" ]
}

# The records of kills come late.
call_is_named() {
	dmesg | grep -q 'type=1326 .*exe="/add/headed-broken" .*syscall=9 '
}

image=/tmp/image
truncate -s $((4096 + 33554432)) $image
printf HEADED | dd of=$image conv=notrunc status=none

/add/headed --help | grep -q 'headed:PATH' || fail "the backend is not in --help"
fails_saying "is not a headed image" create "$name" "headed:$disk" --program /add/headed
fails_saying "unknown backend 'headed'" create "$name" headed:$image
cp /add/headed /usr/bin/dmuser-headed
create "$name" headed:$image || fail "create by the backend's name"
is "bytes of the device" "$(blockdev --getsize64 "/dev/mapper/$name")" 33554432
is "stage" "$(dmuserctl status --json "$name" | jq -r .daemon.stage)" headed
is "walls" "$(dmuserctl status --json "$name" |
	jq -r '.daemon.confinement | contains(["seccomp", "capabilities"])')" true
load_start
for round in 2 3; do
	load_progress
	handover "$name" >/dev/null || fail "handover $round"
	is "generation" "$(generation)" $round
done
load_progress
handover "$name" --program /add/headed-next >/dev/null || fail "upgrade"
is "stage after the upgrade" "$(dmuserctl status --json "$name" | jq -r .daemon.stage)" headed-2
load_progress

dmuser-watch --timeout "$patience" "$name" || fail "watch"
old=$(server)
kill -KILL "$old"
wait_for 60 "dmuser-watch has started another one" restarted "$old"
load_progress
is "stage after the restart" "$(dmuserctl status --json "$name" | jq -r .daemon.stage)" headed-2
check "the load sees no error" load_calm
load_stop
remove
is "the header" "$(head -c 6 $image)" HEADED

# A backend that maps memory at its first write: the kernel's log names the call.
create "$name" headed:$image --program /add/headed-broken || fail "create with the broken one"
broken=$(server)
dd if=/dev/zero of="/dev/mapper/$name" bs=4096 count=1 oflag=direct status=none &
writer=$!
wait_for 60 "the broken daemon is killed" gone "$broken"
wait_for 60 "the kernel's log names the call, mmap" call_is_named
handover "$name" >/dev/null || fail "a good one"
wait $writer || fail "the write that killed the daemon"
remove

# In its self-test: nothing is left of the device that it has created.
! BROKEN=1 /add/headed-broken "$name" headed:$image 2>/tmp/said || fail "it serves"
check "killed in its self-test: $(cat /tmp/said)" grep -q 'died while it started' /tmp/said
is "the device" "$(dmsetup info -c --noheadings -o name "$name" 2>/dev/null)" ""
check "no run directory is left" test ! -e "/run/dm-user/$name"
create "$name" headed:$image || fail "create again"
remove
finish
