#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4, P6: data that only a daemon's memory has passes to the next daemon or stays, and no byte
# is wrong whatever fails on the way.
# vm: --mem 512 --cpus 2 --disk 64M --timeout 1800
# quick: 6.12
# add: build/tests/vm/load build/tests/wb/dmuser-first-wb build/tests/wb/dmuser-second-wb
# add: tests/vm/lib.sh tests/vm/wb.sh
# shellcheck source=tests/vm/wb.sh
. /add/wb.sh

wb_create
load_start -d -b "$disk"

# ---- from stage to stage ----

n=1 blocks=0
for program in "$wb_second" "$wb_second" "$wb_first" "$wb_second"; do
	old=$(server)
	wb_take "$program" || fail "handover to ${program##*/}: $(cat /tmp/said)"
	n=$((n + 1))
	wait_for 20 "the old daemon is gone" gone "$old"
	is "generation" "$(generation)" "$n"
	is "blocks that were in memory only" "$(wb_count imported)" "$(wb_count exported)"
	blocks=$((blocks + $(wb_count imported)))
	load_progress
	load_calm || fail "${program##*/}: $(cat "$load_file")"
done
check "$blocks blocks were in memory only" test "$blocks" -gt 0
confined=$(dmuserctl status --json "$name" | jq '.daemon.confinement | index("seccomp") != null')
check "the second stage with state is confined" test "$confined" = true

# ---- a newcomer dies when it sends ROOM, READY or, with the state, TAKEN ----

old=$(server)
for step in 2 3 4; do
	strace -f -qq -o /tmp/strace -e trace=sendmsg -e "inject=sendmsg:signal=KILL:when=$step" \
		"$wb_second" --timeout "$patience" "$name" >/tmp/said 2>&1 &&
		fail "message $step: not killed"
	grep -q 'killed by SIGKILL' /tmp/strace ||
		fail "message $step: $(cat /tmp/said /tmp/strace)"
	wb_serves_on "$old" "killed at its message $step"
done

# ---- a newcomer cannot import the state, then an old daemon cannot export it ----

WB_FAULT="import" wb_second && fail "the newcomer serves without the state"
check "the newcomer says why: $(cat /tmp/said)" \
	grep -q 'backend wb cannot begin: Input/output error' /tmp/said
wb_serves_on "$old" "failed import"
WB_FAULT="export" wb_second || fail "handover: $(cat /tmp/said)"
old=$(server)
wb_second && fail "the newcomer serves without the state"
wait_for 20 "the old daemon says why" wb_rolled_back 'cannot export the state: Input/output error'
wb_serves_on "$old" "failed export"
check "the next handover succeeds" wb_second
load_progress
check "no byte is wrong" load_calm

# ---- a newcomer does not kill an old daemon that hangs, since only that has the state ----

wb_watch sendmsg STOP 2
wb_take "$wb_second" --timeout 4000 && fail "the newcomer serves without the state"
check "the newcomer gives up: $(cat /tmp/said)" grep -q 'waited 4000 ms for DRAINED' /tmp/said
check "the old daemon is alive" alive "$old"
kill -CONT "$old"
wb_serves_on "$old" "hung"
kill "$strace"
wait "$strace"

# ---- the newcomer's parent dies when the old daemon has passed the state on, before it exits ----

leaves() {
	dmesg | grep -q "event=exit name=$name generation=$n "
}

in_daemon_state() {
	[ "$(dmuserctl status --json "$name" 2>/dev/null | jq -r .daemon.state)" = "$1" ]
}

for program in "$wb_first" "$wb_second"; do
	n=$(generation) old=$(server)
	strace -qq -p "$old" -o /tmp/strace -e trace=exit_group \
		-e inject=exit_group:delay_enter=60000000 &
	strace=$!
	wait_for 30 "strace traces the old daemon" \
		grep -q "TracerPid:[[:space:]]*$strace\$" "/proc/$old/status"
	"$program" --takeover --timeout "$patience" "$name" >/tmp/said 2>&1 &
	starter=$!
	wait_for 120 "the old daemon leaves" leaves
	kill -KILL "$starter"
	wait "$starter"
	kill "$strace"
	wait "$strace"
	wait_for 120 "the old daemon is gone" gone "$old"
	wait_for 20 "the newcomer serves" in_daemon_state serving
	load_progress
	is "${program##*/}: blocks that were in memory only" "$(wb_count imported)" \
		"$(wb_count exported)"
	check "${program##*/}, whose parent died: no byte is wrong" load_calm
done

check "a handover after the failures" wb_second
load_progress
is "requests that failed" "$(word failed)" 0
is "errors that daemons answered" "$(word errors)" 0
load_stop

# ---- the load detects a newcomer that forgets the state ----

forget() {
	WB_FAULT="forget" wb_second || fail "handover: $(cat /tmp/said)"
	[ "$(wb_count exported)" -ge 8 ]
}

load_start -d
wait_for 120 "some blocks are forgotten" forget
# At its end the load reads all that it has written.
kill -TERM "$load_pid"
wait "$load_pid" && fail "the load has not noticed"
ok "without the state, bytes are wrong: $(tr -s ' 0' ' 0' <"$load_file")"
remove
finish
