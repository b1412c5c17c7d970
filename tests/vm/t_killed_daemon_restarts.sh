#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P2, P4: after SIGKILL of the only daemon under load, requests wait, and a restarted daemon
# picks its orphans up.
# vm: --mem 512 --cpus 2 --disk 64M
# quick: backports
# add: build/tests/vm/load tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# Stop the daemon PID at a moment when it holds a request, so that its death makes an orphan.
stop_holding() {
	local pid=$1 end=$((SECONDS + 60))
	while :; do
		kill -STOP "$pid"
		wait_for 20 "the daemon is stopped" in_state "$pid" T
		[ "$(word held)" = 0 ] || return 0
		[ "$SECONDS" -lt "$end" ] || fail "the daemon never holds a request when stopped"
		kill -CONT "$pid"
		load_progress 1
	done
}

stalled() {
	[ "$(load_word waiting_ms)" -ge 1000 ]
}

create "$name" "file:$disk,direct,extents=off" || fail "create"
load_start -b "$disk"
n=1
for mode in direct buffered direct; do
	load_progress 1
	pid=$(server)
	stop_holding "$pid"
	kill -KILL "$pid"
	wait_for 20 "the daemon is dead" gone "$pid"
	wait_for 20 "its channels are gone" word_is channels 0
	is "daemons that serve" "$(word daemon)" 0
	check "requests became orphans: $(word requeued)" word_at_least requeued 1
	wait_for 20 "the load waits" stalled
	check "the load sees no error" load_calm
	n=$((n + 1))
	handover "$name" "file:$disk,$mode" >/dev/null || fail "restart"
	is "generation of the restarted daemon" "$(generation)" "$n"
	is "sealed" "$(word sealed)" 1
	load_progress
done
check "daemons answered reads" word_at_least reads 1
is "requests that failed" "$(word failed)" 0
is "answers refused" "$(word refused)" 0
load_stop
remove
finish
