#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P7: when daemons are killed, or their writes revoked, while writes are in flight in a slow store,
# the newer bytes win.
# vm: --mem 512 --cpus 2 --disk 64M
# kernels: 6.12 trixie backports debug kcsan uml-6.1 uml-6.12
# add: build/tests/vm/order/fence build/tests/vm/order/slowstore build/tests/vm/order/careless
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# User-mode kernels run at the speed of the machine, emulated kernels do not. There are rounds of 3
# kinds: DMUSER_APPEND=fence_rounds=340 tests/vm/run --timeout 3000 runs about a thousand rounds.
rounds=6 delay=50
[ ! -e /proc/exitcode ] || rounds=$(bounded 20 8) delay=5
asked=$(sed -n 's/.*fence_rounds=\([0-9]*\).*/\1/p' /proc/cmdline)
rounds=${asked:-$rounds}

inflight() {
	local number
	number=$(dmsetup info -c --noheadings --separator : -o major,minor "$1")
	echo "/sys/dev/block/$number/inflight"
}

# fence MODE STORE BELOW ROUNDS OPTION...
fence() {
	local mode=$1 store=$2 below=$3 count=$4
	shift 4
	/add/fence "$mode" -d "/dev/mapper/$name" -N "$name" -b "$below" \
		-i "$(inflight "$store")" -n "$count" "$@" >/tmp/fence
	local status=$?
	sed 's/^/# /' /tmp/fence
	return $status
}

# start first|second STORE CACHE: print the command by which dmuserctl starts a daemon where none
# serves.
start() {
	echo "dmuser-$1 --run-dir $run --takeover --ctl $name --timeout $patience" \
		"-- $name file:/dev/mapper/$2,$3"
}

# Check the counts on the last line of fence. A slow guest may see writes in flight in few rounds
# only, since the writes are done when it looks.
caught() {
	[ "$(sed -n "s/.* rounds, \([0-9]*\) with writes under way.*/\1/p" /tmp/fence)" -ge \
		$((rounds / 5)) ]
}

fenced() {
	[ "$(sed -n "s/.* \([0-9]*\) with fenced ones.*/\1/p" /tmp/fence)" -ge $((rounds / 5)) ]
}

no_late_writers() {
	pkill -USR1 latewriter
	! pgrep latewriter
}

sectors=$(blockdev --getsz "$disk")

# A store that delays every write and keeps the order of writes.
dmsetup create slow --table "0 $sectors delay $disk 0 0 $disk 0 $delay" || fail "dm-delay"
create "$name" file:/dev/mapper/slow,direct,extents=off,max_io=65536 || fail "create"
check "$rounds daemons killed over dm-delay: no byte is lost" fence kill slow "$disk" "$rounds" \
	-r "$(start second slow direct)" -r "$(start second slow buffered)" \
	-r "$(start first slow direct)" \
	-r "dmuserctl handover --timeout $patience $name file:/dev/mapper/slow,direct"
check "writes were in flight" caught
check "writes became orphans: $(word requeued)" word_at_least requeued $((rounds / 2))
is "requests that failed" "$(word failed)" 0
is "the generation, 1 more a round" "$(generation)" $((rounds + 1))
remove

# A store where a later write can overtake an earlier write: only fencing keeps their order.
dmsetup create hold --table "0 8192 user 0 0 hold" || fail "hold"
/add/slowstore hold 4 $((delay * 40)) &
wait_for 20 "slowstore serves hold" word_is daemon 1 hold
create "$name" file:/dev/mapper/hold,direct,extents=off,max_io=65536 || fail "create"
check "$rounds daemons killed over a store that reorders: no byte is lost" \
	fence kill hold /dev/mapper/hold "$rounds" \
	-r "$(start second hold direct)" -r "$(start second hold buffered)" \
	-r "$(start first hold direct)"
check "writes were in flight" caught
check "writes became orphans: $(word requeued)" word_at_least requeued $((rounds / 2))

check "$rounds times a noflush suspend revoked writes: no byte is lost" \
	fence revoke hold /dev/mapper/hold "$rounds" \
	-r "$(start second hold direct)" -r "$(start first hold direct)" \
	-o "/add/careless plain $name /dev/mapper/hold"
check "writes were in flight" caught
check "overlapping writes were fenced" fenced
is "requests that failed" "$(word failed)" 0
remove
dmsetup remove hold || fail "remove hold"

# A daemon that breaks the rule of close() must be detected, or the checks above prove nothing.
dmsetup create "$name" --table "0 $sectors user 0 0 $name" || fail "create for careless"
late="/add/careless late $name /dev/mapper/slow"
$late || fail "careless"
fence kill "$name" "$disk" 20 -p careless -w latewriter -r "$late"
is "fence's status for a daemon that closes before its writes are done" "$?" 3
pkill careless
wait_for 60 "the last late write is done" no_late_writers
dmsetup remove "$name" || fail "remove"
dmsetup remove slow || fail "remove slow"
finish
