#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4, P5: daemons survive SIGSTOP, SIGTERM and SIGCONT of every process, with cold caches, as in
# systemd's final kill.
# vm: --mem 512 --cpus 2 --disk 64M
# quick: 6.1
# add: build/tests/vm/load tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# Do to all processes what systemd-shutdown does, except SIGKILL. kill -1 spares this shell.
stop_all() {
	sync -f /tmp
	echo 3 >/proc/sys/vm/drop_caches
	kill -STOP -1
	for pid in $(daemons); do
		wait_for 20 "daemon $pid is stopped" in_state "$pid" T
	done
	echo 3 >/proc/sys/vm/drop_caches
	for pid in $(daemons); do
		kill -TERM "$pid"
	done
	sleep 0.3
	kill -CONT -1
}

create "$name" "file:$disk,buffered" || fail "create"
load_start -b "$disk"
for stage in first second; do
	pid=$(server)
	for _ in 1 2 3; do
		load_progress 1
		stop_all
	done
	load_progress
	is "the $stage stage serves" "$(server)" "$pid"
	is "the first byte of its argv[0]" "$(head -c 1 "/proc/$pid/cmdline")" @
	is "its comm" "$(cut -c1-"$((7 + ${#stage}))" "/proc/$pid/comm")" "dmuser-$stage"
	handover "$name" >/dev/null || fail "handover"
done
check "no error" load_calm
# In the middle of a handover: it succeeds, or the old daemon carries on.
for _ in 1 2 3; do
	handover "$name" >/tmp/said 2>&1 &
	handover=$!
	wait_for 60 "a newcomer is there" test "$(daemons | wc -l)" -ge 2 -o ! -d /proc/$handover
	stop_all
	wait "$handover" || say "$(cat /tmp/said)"
	load_progress
	is "one daemon" "$(daemons | wc -l)" 1
	check "no error" load_calm
done
load_stop
remove
finish
