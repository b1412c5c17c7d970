# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions of the tests of memory pressure, sourced in the guest after lib.sh.
# shellcheck disable=SC2154 # lib.sh sets name and patience

# vm_count NAME: print a counter of /proc/vmstat.
vm_count() {
	sed -n "s/^$1 //p" /proc/vmstat
}

# kib NAME: print a value of /proc/meminfo in KiB.
kib() {
	sed -n "s/^$1: *\([0-9]*\) kB/\1/p" /proc/meminfo
}

# Like wait_for, but it runs COMMAND only once a second: COMMAND may have to be read from swap.
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

# hogs_word KEY: print the least value of any hog: pages, filled, touched or wrong.
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

# hogs_go_on WHAT N: wait until every hog has checked N more pages, some of which it rewrites.
hogs_go_on() {
	local from
	from=$(hogs_word touched)
	await 180 "$1: the hogs go on" hogs_past touched $((from + $2))
}

# Stop the hogs, which then check all their pages.
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

# daemon_dies MS: kill the daemon, and start another one MS later as docs/memory.md prescribes for
# low memory.
daemon_dies() {
	local pid
	pid=$(server)
	# dmuserctl does the same for a device that no daemon serves, but it need not be in memory.
	dmsetup message "$name" 0 unseal || fail "unseal"
	/add/relaunch -w "$1" "$pid" /run/dmuser-first --takeover --timeout "$patience" "$name" ||
		fail "a new daemon after the death of the old daemon"
	gone "$pid" || fail "the old daemon is not dead"
}

# Put the files that a restart needs where they are never swapped or read from the device: on a
# ramfs. Set memory aside, of which the restart may take a part when no other memory is left.
memory_prepare() {
	mount -t ramfs ramfs /run || fail "ramfs"
	cp "$(command -v dmuser-first)" /run/ || fail "a copy of the daemon"
	echo 24576 >/proc/sys/vm/min_free_kbytes
	echo 0 >/proc/sys/vm/watermark_boost_factor
}
