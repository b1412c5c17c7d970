#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P12: a shell's limits do not kill a daemon, and a daemon without free descriptors neither
# spins nor drains.
# vm: --mem 512 --cpus 2 --disk 16M
# quick: backports
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# limit PID RESOURCE: print a soft limit of the process.
limit() {
	sed -n "s/^$2 *\([^ ]*\) .*/\1/p" "/proc/$1/limits"
}

# nofile PID FREE: limit the process to FREE more descriptors.
nofile() {
	local pid=$1 free=$2 number=0
	while :; do
		[ -L "/proc/$pid/fd/$number" ] || free=$((free - 1))
		[ "$free" -ge 0 ] || break
		number=$((number + 1))
	done
	prlimit --pid "$pid" --nofile="$number:" || fail "prlimit"
}

ticks() {
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

no_spares() {
	dmesg | grep -a 'event=peer-killed .*cannot open spare channels'
}

(
	ulimit -S -f 4
	ulimit -S -t 1000
	create "$name" "file:$disk,direct,extents=off"
) || fail "create"
pid=$(server)
is "processor time" "$(limit "$pid" 'Max cpu time')" unlimited
is "size of files" "$(limit "$pid" 'Max file size')" unlimited
check "a write beyond the shell's limit" \
	dd if=/dev/zero of="/dev/mapper/$name" bs=1M count=8 oflag=direct 2>/dev/null

# The daemon cannot accept a connection: the connection waits, and the daemon must not spin.
files=$(limit "$pid" 'Max open files')
nofile "$pid" 0
timeout 10 dmuserctl status "$name" >/tmp/status 2>&1 &
# dmuserctl gives up; its connection stays in the queue.
wait $!
before=$(ticks "$pid")
sleep 3
used=$(($(ticks "$pid") - before))
check "no descriptor for a connection: $used ticks in three seconds" test "$used" -lt 50
prlimit --pid "$pid" --nofile="$files:" || fail "prlimit"
is "the daemon that answers afterwards" "$(server)" "$pid"

# Enough descriptors for an OFFER of one channel, but not for as many spare channels as the daemon
# has.
nofile "$pid" 3
handover --channels 1 "$name" >/tmp/handover 2>&1 && fail "a handover without a way back"
wait_for 20 "the daemon kills the newcomer for want of spare channels" no_spares
is "the old daemon serves on" "$(word gen)" "1,serving,4,0,8"
check "the old daemon did not drain: $(cat /tmp/handover)" \
	test -z "$(dmesg | grep -a 'event=draining')"
is "daemons" "$(daemons)" "$pid"
check "a read" dd if="/dev/mapper/$name" of=/dev/null bs=1M count=1 iflag=direct 2>/dev/null
prlimit --pid "$pid" --nofile="$files:" || fail "prlimit"
handover "$name" >/dev/null || fail "handover"
is "limits of a second stage: processor time" "$(limit "$(server)" 'Max cpu time')" unlimited
remove
finish
