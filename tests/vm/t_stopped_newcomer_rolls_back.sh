#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4: the old daemon kills a newcomer that hangs before READY, and carries on; a newcomer kills an
# old daemon that hangs after READY, and serves.
# vm: --mem 512 --cpus 2 --disk 64M
# add: build/tests/vm/load tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# stopped_at SYSCALL:N: run a newcomer that stops there, traced by $strace. Fail if the old daemon's
# timeout ends before, in a slow guest.
stopped_at() {
	local step=$1
	: >/tmp/strace
	strace -f -qq -o /tmp/strace -e "trace=${step%:*}" \
		-e "inject=${step%:*}:signal=STOP:when=${step#*:}" \
		dmuser-second --timeout "$patience" "$name" >/tmp/said 2>&1 &
	strace=$!
	until grep -q 'stopped by SIGSTOP' /tmp/strace 2>/dev/null; do
		alive "$strace" || return 1
		sleep 0.05
	done
}

dmuserctl create --timeout 4000 "$name" "file:$disk,direct,extents=off" || fail "create"
load_start -b "$disk"
old=$(server)
for step in recvmsg:1 mlockall:1 seccomp:1; do
	until stopped_at "$step"; do
		[ "$SECONDS" -lt 400 ] || fail "no newcomer reaches $step in 4 s: $(cat /tmp/said)"
		wait_for 30 "$step: its channels are gone" word_is channels 4
	done
	load_progress 1
	wait_for 60 "$step: the old daemon kills the newcomer after its timeout" \
		grep -q 'killed by SIGKILL' /tmp/strace
	wait "$strace"
	wait_for 30 "$step: its channels are gone" word_is channels 4
	is "stopped at $step: the old daemon serves" "$(server)" "$old"
	load_progress 1
	check "stopped at $step: the load sees no error" load_calm
done
# Now the old daemon stops after READY, and the newcomer's timeout is short.
until handover "$name" >/dev/null; do
	[ "$SECONDS" -lt 400 ] || fail "no handover with a timeout of 4 s"
done
old=$(server)
strace -qq -p "$old" -o /tmp/strace -e trace=sendmsg -e inject=sendmsg:signal=STOP:when=2 &
strace=$!
wait_for 30 "strace traces the old daemon" \
	grep -q "TracerPid:[[:space:]]*$strace\$" "/proc/$old/status"
dmuserctl handover --timeout 4000 "$name" >/tmp/said 2>&1 ||
	fail "the newcomer gives up: $(cat /tmp/said)"
wait_for 60 "the old daemon is gone" gone "$old"
wait "$strace"
check "the old daemon hung and was killed" grep -q 'killed by SIGKILL' /tmp/strace
load_progress
check "the load sees no error" load_calm
is "one daemon" "$(daemons | wc -l)" 1
load_stop
remove
finish
