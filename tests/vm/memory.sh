# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the tests of memory pressure share; sourced in the guest after lib.sh.
# shellcheck disable=SC2154 # name and patience are of lib.sh

# A counter of /proc/vmstat.
vm_count() {
	sed -n "s/^$1 //p" /proc/vmstat
}

# A line of /proc/meminfo.
kib() {
	sed -n "s/^$1: *\([0-9]*\) kB/\1/p" /proc/meminfo
}

# As wait_for, but looks seldom: what it runs for that may have to be read from swap.
await() {
	local end=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || fail "waiting until $what"
		sleep 1
	done
}

hogs=()

# hog_start [-f FILE] MIB
hog_start() {
	local number=${#hogs[@]}
	: >"/tmp/hog$number"
	/add/hog -s "/tmp/hog$number" "$@" &
	hogs+=($!)
}

# hogs_word WORD: of pages, filled, touched, wrong; of that hog that has the least
hogs_word() {
	local number line least=
	for number in "${!hogs[@]}"; do
		line=
		read -r line <"/tmp/hog$number" || true
		line=${line#*"$1"=}
		line=$((10#${line%% *}))
		[ -n "$least" ] && [ "$least" -le "$line" ] || least=$line
	done
	echo "$least"
}

hogs_past() {
	[ "$(hogs_word "$1")" -ge "$2" ]
}

# hogs_go_on WHAT N: every hog goes back to N more pages, checks them and writes some anew.
hogs_go_on() {
	local from
	from=$(hogs_word touched)
	await 180 "$1: the hogs go on" hogs_past touched $((from + $2))
}

# They check all their pages in the end.
hogs_stop() {
	local number status
	for number in "${!hogs[@]}"; do
		kill -TERM "${hogs[number]}"
	done
	for number in "${!hogs[@]}"; do
		status=0
		wait "${hogs[number]}" || status=$?
		[ "$status" = 0 ] || fail "hog $number saw wrong bytes, or died (status $status)"
		ok "hog $number: every page has its bytes"
	done
	hogs=()
}

# Kill the daemon, and start one in its place, as it must be done where memory is short: docs/memory.md.
daemon_dies() {
	local pid
	pid=$(server)
	# What dmuserctl does for a device that nobody serves, which it would have to be in memory for.
	dmsetup message "$name" 0 unseal || fail "unseal"
	/add/relaunch -w "$1" "$pid" /run/dmuser-first --takeover --timeout "$patience" "$name" ||
		fail "a new daemon after the death of the old one"
	gone "$pid" || fail "the old daemon is not dead"
}

# Nothing that is needed to start a daemon may be swapped, or have to be read from the device: ramfs never is.
# Of what is set aside here the restart may take a part when all else is gone.
memory_prepare() {
	mount -t ramfs ramfs /run || fail "ramfs"
	cp "$(command -v dmuser-first)" /run/ || fail "a copy of the daemon"
	echo 24576 >/proc/sys/vm/min_free_kbytes
	echo 0 >/proc/sys/vm/watermark_boost_factor
}
