#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4: after SIGKILL of the newcomer at any step before TAKEN, the old daemon carries on, and the
# next handover works.
# vm: --mem 512 --cpus 2 --disk 64M
# quick: 6.1
# add: build/tests/vm/load tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# doomed SYSCALL N: run a newcomer that is killed when it enters its N-th SYSCALL.
doomed() {
	local syscall=$1 n=$2
	strace -f -qq -o /tmp/strace -e "trace=$syscall" -e "inject=$syscall:signal=KILL:when=$n" \
		dmuser-second --timeout "$patience" "$name" >/tmp/doomed 2>&1
}

settled() {
	[ "$(daemons)" = "$old" ] && [ "$(server)" = "$old" ]
}

create "$name" "file:$disk,direct,extents=off" || fail "create"
load_start -b "$disk"
old=$(server)
killed=0
# The newcomer's second message is READY.
for step in connect:1 sendmsg:1 recvmsg:1 mlockall:1 mount:1 capset:1 close_range:1 prctl:1 \
	seccomp:1 sendmsg:2; do
	! doomed "${step%:*}" "${step#*:}" || {
		# The newcomer never makes this call, and serves now.
		say "$step: not killed"
		old=$(server)
		continue
	}
	grep -q 'killed by SIGKILL' /tmp/strace || fail "$step: $(cat /tmp/doomed /tmp/strace)"
	killed=$((killed + 1))
	wait_for 60 "$step: the channels of the newcomer are gone" word_is channels 4
	load_progress 1
	is "killed at $step: the old daemon serves" "$(server)" "$old"
	check "killed at $step: the load sees no error" load_calm
done
check "newcomers were killed at $killed steps" test "$killed" -ge 6

# After READY both daemons serve. The old daemon does not leave before TAKEN, the newcomer's third
# message. If it has drained by then, it serves on as a new generation.
old=$(server)
for step in recvmsg:2 recvmsg:3 sendmsg:3; do
	doomed "${step%:*}" "${step#*:}"
	grep -q 'killed by SIGKILL' /tmp/strace || fail "$step: $(cat /tmp/doomed /tmp/strace)"
	wait_for 60 "$step: the old daemon is alone" settled
	load_progress 1
	is "killed at $step: the old daemon serves" "$(server)" "$old"
	check "killed at $step: the load sees no error" load_calm
done
handover "$name" >/dev/null || fail "a handover after failed handovers"
wait_for 20 "the old daemon is gone" gone "$old"
is "one daemon" "$(daemons | wc -l)" 1
is "sealed" "$(word sealed)" 1
load_progress
is "requests that failed" "$(word failed)" 0
load_stop
remove
finish
