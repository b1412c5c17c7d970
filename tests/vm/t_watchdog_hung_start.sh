#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4, P12: a daemon whose start hangs does not keep dmuser-watch, nor does it leave the node open, whichever process is killed meanwhile.
# vm: --mem 512 --cpus 2 --disk 64M --timeout 1800
# add: tests/vm/lib.sh tests/vm/watch.sh
# shellcheck source=tests/vm/watch.sh
. /add/watch.sh

store=/dev/mapper/store

watch() {
	dmuser-watch --patience 8000 --delay-max 1000 --timeout "$patience" "$name" || fail "dmuser-watch"
	watch=$(watchdog pid)
}

# Who starts the daemon, and the daemon, which reads what it is to serve.
starter='' starting=''
hangs() {
	starter=$(pgrep -P "$watch") && starting=$(pgrep -P "$starter") && letter "/proc/$starting/stat" && [ "$letter" = D ]
}

# The store stops, and the daemon dies. The next one begins to start.
hang() {
	pid=$(server)
	restarts=$(watchdog restarts) failures=$(events restart-failed)
	dmsetup suspend store || fail "suspend"
	kill -KILL "$pid"
	wait_for 60 "$1: a start hangs" hangs
	is "$1: the node is open for it" "$(word sealed)" 0
}

# dying PID: it is killed, and ends when the store has answered.
dying() {
	grep -q '^S[a-z]*Pnd:.*1..$' "/proc/$1/status"
}

go_on() {
	dmsetup resume store || fail "resume"
}

events() {
	dmesg | grep -ac "dmuser-watch: event=$1 name=$name "
}

gave_up() {
	[ "$(events restart-failed)" -gt "$failures" ]
}

restarted() {
	[ "$(watchdog restarts)" -gt "$restarts" ]
}

by_hand() {
	go_on
	wait_for 60 "$1: what hung is gone" no_daemons
	handover "$name" >/dev/null || fail "$1: a restart by hand"
	is "$1: sealed by who serves" "$(word sealed)" 1
	watch
}

dmsetup create store --table "0 $(blockdev --getsz "$disk") linear $disk 0" || fail "the store"
create "$name" "file:$store,direct" || fail "create"
handover "$name" >/dev/null || fail "handover"
watch

hang "hung start"
wait_for 60 "it is given up" gave_up
wait_for 20 "what was started is gone" gone "$starter"
# What waits for a disk ends when that has answered, and is no daemon until then, though it has a socket and a channel.
wait_for 20 "the daemon that it was starting is dying" dying "$starting"
said=$(dmesg | grep -a 'event=restart-failed' | tail -n 1)
check "the log says so: ${said#*reason=}" grep -q 'killed: it had not started after 8000 ms' <<<"$said"
status=$(dmuserctl status "$name")
[[ $status =~ unserved\ +for\ [0-9.]+\ s,\ [0-9]+\ attempts,.*had\ not\ started ]] || fail "status in words: $status"
ok "status says: $(grep ^unserved <<<"$status")"
is "the node is sealed" "$(word sealed)" 1
go_on
wait_for 60 "it dies when it can" gone "$starting"
wait_for 60 "another one serves" restarted
wait_for 20 "sealed" word_is sealed 1

# Nobody is there to seal it, until somebody watches again.
hang "the watchdog is killed"
kill -KILL "$watch"
wait_for 20 "it is dead" gone "$watch"
kill -KILL "$starter"
wait_for 20 "the start ends with who waits for it" dying "$starting"
is "open, as nobody could seal it" "$(word sealed)" 0
! said=$(dmuser-watch "$name" 2>&1) || fail "it watches what nobody serves"
[[ $said =~ no\ daemon\ serves\ it|has\ a\ channel|does\ not\ (say|answer) ]] || fail "a watchdog of what nobody serves: $said"
is "the next watchdog has sealed it: $said" "$(word sealed)" 1
by_hand "the watchdog is killed"

hang "the watchdog is told to end"
kill -TERM "$watch"
wait_for 60 "it ends when the start is given up" gone "$watch"
is "and has sealed the node" "$(word sealed)" 1
is "and says no more" "$(dmuserctl status --json "$name" | jq .watchdog)" null
by_hand "the watchdog is told to end"

hang "only who starts it hangs"
kill -STOP "$starter"
go_on
wait_for 60 "who starts it is killed" gone "$starter"
wait_for 60 "the daemon serves" restarted
is "the one that was starting" "$(server)" "$starting"
is "no attempt failed" "$(events restart-failed)" "$failures"
check "all of it can be read" dd if="/dev/mapper/$name" of=/dev/null bs=1M iflag=direct
is "that one, still" "$(server)" "$starting"

hang "it is stopped"
kill -STOP "$starter" "$starting"
go_on
wait_for 60 "it is killed" gone "$starting"
wait_for 60 "another one serves" restarted

is "errors" "$(word errors)" 0
is "requests that failed" "$(word failed)" 0
remove
wait_for 20 "the watchdog leaves with the device" gone "$watch"
dmsetup remove store || fail "remove the store"
finish
