# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Daemons with the backend wb (tests/wb/), whose memory has what the store has not. Sourced in the guest.
# shellcheck disable=SC2154 # lib.sh has name, disk, patience
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# What daemons say is looked at, all of it.
echo on >/proc/sys/kernel/printk_devkmsg

wb_first=/add/dmuser-first-wb
wb_second=/add/dmuser-second-wb

wb_create() {
	"$wb_first" --timeout "$patience" "$name" "wb:$disk" || fail "create"
}

# wb_take PROGRAM [OPTION]...: take the device over; what it says is in /tmp/said.
wb_take() {
	local program=$1
	shift
	"$program" --takeover --timeout "$patience" "$@" "$name" >/tmp/said 2>&1
}

# The last daemon that said so has brought in, or out, that many blocks.
wb_count() {
	dmesg | sed -n "s/.*wb: $1=\([0-9]*\)\$/\1/p" | tail -n 1
}

wb_rolled_back() {
	dmesg | grep -q "event=rollback .*reason=\"$1"
}

wb_second() {
	wb_take "$wb_second" "$@"
}

# The old one, $1, serves on after a handover that failed at $2: alone, and no byte is wrong.
wb_serves_on() {
	wait_for 60 "$2: the old one is alone" wb_alone "$1"
	[ -z "$load_pid" ] || load_progress
	check "$2: the old one serves on, and no byte is wrong" load_calm
}

# wb_watch SYSCALL SIGNAL N: the old daemon gets it when its main thread enters the N-th call from now on.
wb_watch() {
	old=$(server)
	strace -qq -p "$old" -o /tmp/strace -e "trace=$1" -e "inject=$1:signal=$2:when=$3" &
	strace=$!
	wait_for 30 "strace watches the old one" grep -q "TracerPid:[[:space:]]*$strace\$" "/proc/$old/status"
}

wb_alone() {
	[ "$(daemons)" = "$1" ] && [ "$(server)" = "$1" ] && word_is channels 4
}
