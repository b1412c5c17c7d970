#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4: after SIGKILL of the old daemon at any step after READY, the newcomer carries on.
# vm: --mem 512 --cpus 2 --disk 64M
# add: build/tests/vm/load tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# doom SYSCALL N: kill the old daemon when its main thread enters its N-th SYSCALL from now on.
doom() {
	old=$(server)
	[ -n "$old" ] || fail "no daemon serves"
	strace -qq -p "$old" -o /tmp/strace -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" &
	strace=$!
	wait_for 30 "strace traces the old daemon" \
		grep -q "TracerPid:[[:space:]]*$strace\$" "/proc/$old/status"
}

doomed() {
	wait_for 60 "$1: the old daemon is gone" gone "$old"
	wait "$strace"
	grep -q 'killed by SIGKILL' /tmp/strace ||
		fail "$1: not killed there: $(cat /tmp/strace /tmp/said)"
}

create "$name" "file:$disk,direct,extents=off" || fail "create"
load_start -b "$disk"
n=1
# The old daemon sends OFFER, after READY it sends DRAINING and then DRAINED, and exits.
for step in sendmsg:2 sendmsg:3 exit_group:1 sendmsg:2; do
	load_progress 1
	doom "${step%:*}" "${step#*:}"
	handover "$name" >/tmp/said 2>&1
	status=$?
	doomed "$step"
	[ $status = 0 ] || fail "$step: the newcomer gives up: $(cat /tmp/said)"
	load_progress
	new=$(generation)
	check "$step: generation $new follows $n" test "$new" -gt "$n"
	n=$new
	is "$step: one daemon" "$(daemons | wc -l)" 1
	is "$step: sealed" "$(word sealed)" 1
	check "$step: no error" load_calm
done
# When the old daemon dies before READY, dmuserctl starts a daemon that needs no old one, through
# the seal.
doom sendmsg 1
handover "$name" >/tmp/said 2>&1
status=$?
doomed "at its OFFER"
[ $status = 0 ] || fail "killed at its OFFER: no daemon was started: $(cat /tmp/said)"
is "killed at its OFFER: sealed" "$(word sealed)" 1
load_progress
check "killed at its OFFER: the next daemon serves, and the load sees no error" load_calm
is "requests that failed" "$(word failed)" 0
load_stop
remove
finish
