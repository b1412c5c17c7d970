#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P9, P12: an interrupted dmuserctl seals the node, the next dmuserctl or dmuser-watch seals it for
# a killed dmuserctl, and dmuserctl names the daemon that waits for a store that hangs.
# vm: --mem 512 --cpus 2 --disk 64M
# add: tests/vm/lib.sh
# quick: uml-6.12
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

store=/dev/mapper/store

go_on() {
	dmsetup resume store || fail "resume"
}

# Kill the daemon, and start a restart that waits for the store.
restart_hangs() {
	dmsetup suspend store || fail "suspend"
	crash
	dmuserctl handover "$name" >/tmp/out 2>&1 &
	ctl=$!
	wait_for 20 "the node is open for the new daemon" word_is sealed 0
	wait_for 20 "the new daemon has a channel" word_at_least channels 1
}

# The daemon that dmuserctl started serves, or has given up.
no_newcomers() {
	word_is daemon 1 && [ -n "$(server)" ] || no_daemons
}

dmsetup create store --table "0 $(blockdev --getsz "$disk") linear $disk 0" || fail "the store"
create "$name" "file:$store,direct,extents=off" || fail "create"
handover "$name" >/dev/null || fail "handover"

restart_hangs
line="dmuserctl: $name: after 5 s still waiting for the new daemon (pid [0-9]*): "
line+="its store does not answer"
wait_for 30 "dmuserctl names the daemon that it waits for" grep -qx "$line" /tmp/out
kill -TERM $ctl
wait_for 20 "dmuserctl is interrupted" gone $ctl
is "the node is sealed" "$(word sealed)" 1
check "dmuserctl says that the start goes on" \
	grep -q 'interrupted: the started program goes on' /tmp/out
go_on
wait_for 60 "the new daemon serves" word_is daemon 1
wait_for 20 "the interrupted dmuserctl leaves no file" test ! -e "$run/$name/open"

# Interrupted at any moment, dmuserctl tells the truth and leaves the node sealed.
for delay in 0 0.02 0.04 0.06 0.08 0.1 0.15 0.2; do
	crash
	dmuserctl handover "$name" >/tmp/out 2>&1 &
	ctl=$!
	sleep $delay
	kill -TERM $ctl 2>/dev/null
	wait $ctl
	is "after $delay s: sealed" "$(word sealed)" 1
	if grep -q "nothing was started" /tmp/out; then
		[ "$(word daemon)" = 0 ] || fail "after $delay s: $(cat /tmp/out)"
	elif [ -s /tmp/out ]; then
		wait_for 60 "after $delay s, a daemon serves: $(cat /tmp/out)" word_is daemon 1
	fi
	wait_for 60 "no newcomer is left" no_newcomers
	[ "$(word daemon)" = 1 ] || handover "$name" >/dev/null || fail "a restart"
	ok "after $delay s: $(tail -n 1 /tmp/out)"
done
crash
(trap '' HUP && exec dmuserctl handover "$name") >/tmp/out 2>&1 &
ctl=$!
wait_for 20 "dmuserctl has begun, or has ended" \
	sh -c "! [ -e /proc/$ctl ] || grep -q dmuserctl /proc/$ctl/comm"
kill -HUP $ctl 2>/dev/null
check "dmuserctl ignores a signal that its parent ignores" wait $ctl

restart_hangs
kill -KILL $ctl
wait_for 20 "dmuserctl is dead" gone $ctl
is "the node is open" "$(word sealed)" 0
check "a file says that the node is open" test -e "$run/$name/open"
! said=$(dmuserctl handover --timeout 1000 "$name" 2>&1) || fail "handed over: $said"
is "the next dmuserctl seals the node: $said" "$(word sealed)" 1
check "the next dmuserctl removes the file" test ! -e "$run/$name/open"
go_on
wait_for 60 "a daemon serves, or none is left" no_newcomers
[ "$(word daemon)" = 1 ] || handover "$name" >/dev/null || fail "a restart"

restart_hangs
kill -KILL $ctl
wait_for 20 "dmuserctl is dead" gone $ctl
is "the node is open" "$(word sealed)" 0
dmuser-watch "$name" >/tmp/watch 2>&1
is "dmuser-watch seals the node: $(cat /tmp/watch)" "$(word sealed)" 1
go_on
wait_for 60 "a daemon serves, or none is left" no_newcomers
[ "$(word daemon)" = 1 ] || handover "$name" >/dev/null || fail "a restart"

# A planned handover whose old daemon cannot drain.
dmsetup suspend store || fail "suspend"
dd if="/dev/mapper/$name" of=/dev/null bs=4k count=1 iflag=direct status=none &
reader=$!
wait_for 20 "a read hangs" word_is held 1
old=$(server)
dmuserctl handover --timeout 20000 "$name" >/tmp/out 2>&1 &
ctl=$!
wait_for 30 "dmuserctl names the daemon that it waits for" \
	grep -q "still waiting for .*: its store does not answer" /tmp/out
say "$(cat /tmp/out) (the old daemon is $old)"
go_on
wait $ctl || fail "the handover: $(cat /tmp/out)"
wait $reader || fail "the read"
ok "the handover goes on when the store does"
is "errors" "$(word errors)" 0
remove

# JSON of a path that is not UTF-8, and a full output device.
image=$(printf '/tmp/caf\351')
truncate -s 4M "$image"
create "$name" "file:$image" || fail "create"
is "a path that is not UTF-8" "$(dmuserctl status --json "$name" | jq -r .daemon.backend)" \
	'file:/tmp/caf\xe9'
fails_saying "cannot write the output" sh -c "dmuserctl status --json $name >/dev/full"
fails_saying "'/tmp/??2J'" create second "file:$(printf '/tmp/\302\2332J')"
remove
rm "$image"

# The creator of a device outlives its starter, and removes the device if it cannot serve it.
dmsetup suspend store || fail "suspend"
dmuser-first "$name" "file:$store,direct,extents=off" 2>/tmp/out &
starter=$!
wait_for 60 "its daemon has channels" word_at_least channels 1
kill -TERM $starter
wait $starter
dmsetup load store --table "0 $(blockdev --getsz "$disk") error" || fail "load"
dmsetup resume store || fail "resume"
wait_for 60 "the daemon is gone" no_daemons
is "the device" "$(dmsetup ls --target user)" ""
check "no run directory is left" test ! -e "$run/$name"
dmsetup remove store
finish
