#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4: a newcomer that hangs before READY is killed by the old one, which carries on; an old one that hangs is killed by the new.
# vm: --mem 512 --cpus 2 --disk 64M
# add: build/tests/vm/load tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# stopped_at SYSCALL:N: a newcomer that stops there, watched by $strace. False: in a slow guest the old one's patience
# was at its end before.
stopped_at() {
	local step=$1
	: >/tmp/strace
	strace -f -qq -o /tmp/strace -e "trace=${step%:*}" -e "inject=${step%:*}:signal=STOP:when=${step#*:}" \
		dmuser-second --timeout "$patience" "$name" >/tmp/said 2>&1 &
	strace=$!
	until grep -q 'stopped by SIGSTOP' /tmp/strace 2>/dev/null; do
		alive "$strace" || return 1
		sleep 0.05
	done
}

dmuserctl create --timeout 4000 "$name" "file:$disk,direct" || fail "create"
load_start -b "$disk"
old=$(server)
for step in recvmsg:1 mlockall:1 seccomp:1; do
	until stopped_at "$step"; do
		[ "$SECONDS" -lt 400 ] || fail "no newcomer comes as far as $step in 4 s: $(cat /tmp/said)"
		wait_for 30 "$step: its channels are gone" word_is channels 4
	done
	load_progress 1
	wait_for 60 "$step: the old one loses its patience and kills it" grep -q 'killed by SIGKILL' /tmp/strace
	wait "$strace"
	wait_for 30 "$step: its channels are gone" word_is channels 4
	is "stopped at $step: the old one serves" "$(server)" "$old"
	load_progress 1
	check "and the load sees no error" load_calm
done
# Now the old one hangs, when READY comes: the new one's patience is short.
until handover "$name" >/dev/null; do
	[ "$SECONDS" -lt 400 ] || fail "no handover with a patience of 4 s"
done
old=$(server)
strace -qq -p "$old" -o /tmp/strace -e trace=sendmsg -e inject=sendmsg:signal=STOP:when=2 &
strace=$!
wait_for 30 "strace watches the old one" grep -q "TracerPid:[[:space:]]*$strace\$" "/proc/$old/status"
dmuserctl handover --timeout 4000 "$name" >/tmp/said 2>&1 || fail "the newcomer gives up: $(cat /tmp/said)"
wait_for 60 "the old one is gone" gone "$old"
wait "$strace"
check "the old one hung, and was killed" grep -q 'killed by SIGKILL' /tmp/strace
load_progress
check "the load sees no error" load_calm
is "one daemon" "$(daemons | wc -l)" 1
load_stop
remove
finish
