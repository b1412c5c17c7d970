#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P9, P12: dmuserctl that is interrupted, or killed, leaves no node open; and when a store hangs, it says which daemon waits for it.
# vm: --mem 512 --cpus 2 --disk 64M
# add: tests/vm/lib.sh
# quick: uml-6.12
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

store=/dev/mapper/store

go_on() {
	dmsetup resume store || fail "resume"
}

# restart_hangs: nobody serves, and a restart waits for the store
restart_hangs() {
	dmsetup suspend store || fail "suspend"
	crash
	dmuserctl handover "$name" >/tmp/out 2>&1 &
	ctl=$!
	wait_for 20 "the node is open for the new daemon" word_is sealed 0
	wait_for 20 "the new daemon is there" word_at_least channels 1
}

# the daemon that was being started serves, or has given up
no_newcomers() {
	word_is daemon 1 && [ -n "$(server)" ] || no_daemons
}

dmsetup create store --table "0 $(blockdev --getsz "$disk") linear $disk 0" || fail "the store"
create "$name" "file:$store,direct" || fail "create"
handover "$name" >/dev/null || fail "handover"

restart_hangs
wait_for 30 "it says who is waited for" grep -qx \
	"dmuserctl: $name: after 5 s still waiting for the new daemon (pid [0-9]*): its store does not answer" /tmp/out
kill -TERM $ctl
wait_for 20 "interrupted" gone $ctl
is "the node is sealed" "$(word sealed)" 1
check "it says what becomes of it" grep -q 'interrupted: the started program goes on' /tmp/out
go_on
wait_for 60 "the new daemon serves" word_is daemon 1
wait_for 20 "nothing is left of the interrupted one" test ! -e "$run/$name/open"

# At any moment: what is said is true, and the node is sealed.
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
		wait_for 60 "after $delay s, somebody serves: $(cat /tmp/out)" word_is daemon 1
	fi
	wait_for 60 "nobody comes any more" no_newcomers
	[ "$(word daemon)" = 1 ] || handover "$name" >/dev/null || fail "a restart"
	ok "after $delay s: $(tail -n 1 /tmp/out)"
done
crash
(trap '' HUP && exec dmuserctl handover "$name") >/tmp/out 2>&1 &
ctl=$!
wait_for 20 "it has begun, or is through" sh -c "! [ -e /proc/$ctl ] || grep -q dmuserctl /proc/$ctl/comm"
kill -HUP $ctl 2>/dev/null
check "what is to be ignored is" wait $ctl

restart_hangs
kill -KILL $ctl
wait_for 20 "killed" gone $ctl
is "the node is open" "$(word sealed)" 0
check "that is written down" test -e "$run/$name/open"
! said=$(dmuserctl handover --timeout 1000 "$name" 2>&1) || fail "handed over: $said"
is "the next one seals it: $said" "$(word sealed)" 1
check "and forgets it" test ! -e "$run/$name/open"
go_on
wait_for 60 "somebody serves, or nobody is left" no_newcomers
[ "$(word daemon)" = 1 ] || handover "$name" >/dev/null || fail "a restart"

restart_hangs
kill -KILL $ctl
wait_for 20 "killed" gone $ctl
is "the node is open" "$(word sealed)" 0
dmuser-watch "$name" >/tmp/watch 2>&1
is "dmuser-watch seals it: $(cat /tmp/watch)" "$(word sealed)" 1
go_on
wait_for 60 "somebody serves, or nobody is left" no_newcomers
[ "$(word daemon)" = 1 ] || handover "$name" >/dev/null || fail "a restart"

# A planned handover, whose old daemon cannot drain.
dmsetup suspend store || fail "suspend"
dd if="/dev/mapper/$name" of=/dev/null bs=4k count=1 iflag=direct status=none &
reader=$!
wait_for 20 "a read hangs" word_is held 1
old=$(server)
dmuserctl handover --timeout 20000 "$name" >/tmp/out 2>&1 &
ctl=$!
wait_for 30 "it says who is waited for" grep -q "still waiting for .*: its store does not answer" /tmp/out
say "$(cat /tmp/out) (the old one is $old)"
go_on
wait $ctl || fail "the handover: $(cat /tmp/out)"
wait $reader || fail "the read"
ok "the handover goes on when the store does"
is "errors" "$(word errors)" 0
remove

# JSON of what is not UTF-8, and an output that is full.
image=$(printf '/tmp/caf\351')
truncate -s 4M "$image"
create "$name" "file:$image" || fail "create"
is "a path that is not UTF-8" "$(dmuserctl status --json "$name" | jq -r .daemon.backend)" 'file:/tmp/caf\xe9'
fails_saying "cannot write the output" sh -c "dmuserctl status --json $name >/dev/full"
fails_saying "'/tmp/??2J'" create second "file:$(printf '/tmp/\302\2332J')"
remove
rm "$image"
dmsetup remove store
finish
