# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions of the tests of backend wb (tests/wb/), a write-back cache: a daemon's memory has data
# that its store does not have. Sourced in place of lib.sh, which this file sources.
# shellcheck disable=SC2154 # lib.sh sets name, disk, patience
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# No log line of a daemon may be rate-limited: the tests read them.
echo on >/proc/sys/kernel/printk_devkmsg

wb_first=/add/dmuser-first-wb
wb_second=/add/dmuser-second-wb

# wb_create [BACKEND]: create the device; wb is the default.
wb_create() {
	"$wb_first" --timeout "$patience" "$name" "${1-wb}:$disk" || fail "create"
}

# wb_take PROGRAM [OPTION]...: run PROGRAM to take the device over. /tmp/said has its output.
wb_take() {
	local program=$1
	shift
	"$program" --takeover --timeout "$patience" "$@" "$name" >/tmp/said 2>&1
}

# wb_count EVENT: print how many blocks the last event EVENT of backend wb had.
wb_count() {
	dmesg | sed -n "s/.*wb: $1=\([0-9]*\)\$/\1/p" | tail -n 1
}

wb_rolled_back() {
	dmesg | grep -q "event=rollback .*reason=\"$1"
}

wb_second() {
	wb_take "$wb_second" "$@"
}

# wb_serves_on PID WHERE: after a handover that failed at WHERE the old daemon PID alone serves on,
# and no byte is wrong.
wb_serves_on() {
	wait_for 60 "$2: the old daemon is alone" wb_alone "$1"
	[ -z "$load_pid" ] || load_progress
	check "$2: the old daemon serves on, and no byte is wrong" load_calm
}

# wb_watch SYSCALL SIGNAL N: send SIGNAL to the old daemon when its main thread enters its N-th
# SYSCALL from now on.
wb_watch() {
	old=$(server)
	strace -qq -p "$old" -o /tmp/strace -e "trace=$1" -e "inject=$1:signal=$2:when=$3" &
	strace=$!
	wait_for 30 "strace traces the old daemon" \
		grep -q "TracerPid:[[:space:]]*$strace\$" "/proc/$old/status"
}

# Kill the only daemon, and let root open the node.
kill_server() {
	old=$(server)
	kill -KILL "$old"
	wait_for 20 "the daemon is dead" gone "$old"
	wait_for 20 "its channels are gone" word_is channels 0
	dmuserctl unseal "$name" || fail "unseal"
}

wb_alone() {
	[ "$(daemons)" = "$1" ] && [ "$(server)" = "$1" ] && word_is channels 4
}
