#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4: SIGKILL of the old daemon at every step after READY: the new one carries on.
# vm: --mem 512 --cpus 2 --disk 64M
# kernels: 6.1 6.12
# add: build/tests/vm/load tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

create "$name" "file:$disk,direct" || fail "create"
load_start -b "$disk"
n=1
# The old one's main thread: it sends OFFER, then, after READY, DRAINING, then DRAINED, then it exits.
for step in sendmsg:2 ioctl:1 sendmsg:3 exit_group:1; do
	load_progress 1
	old=$(server)
	[ -n "$old" ] || fail "nobody serves before $step"
	case $step in
	ioctl:1)
		# The first ioctl after the channels for the newcomer were made is the drain.
		inject=ioctl:signal=KILL:when=$(($(word channels) + 1))
		;;
	*) inject=${step%:*}:signal=KILL:when=${step#*:} ;;
	esac
	strace -qq -p "$old" -o /tmp/strace -e "trace=${step%:*}" -e "inject=$inject" &
	strace=$!
	wait_for 30 "strace watches the old one" grep -q "TracerPid:[[:space:]]*$strace\$" "/proc/$old/status"
	handover "$name" >/tmp/said 2>&1
	status=$?
	wait_for 60 "$step: the old one is gone" gone "$old"
	wait "$strace"
	grep -q 'killed by SIGKILL' /tmp/strace || fail "$step: not killed there: $(cat /tmp/strace /tmp/said)"
	[ $status = 0 ] || fail "$step: the newcomer gives up: $(cat /tmp/said)"
	load_progress
	new=$(generation)
	check "$step: generation $new follows $n" test "$new" -gt "$n"
	n=$new
	is "$step: one daemon" "$(daemons | wc -l)" 1
	is "$step: sealed" "$(word sealed)" 1
	check "$step: no error" load_calm
done
is "requests that failed" "$(word failed)" 0
load_stop
remove
finish
