#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4, P12: a start that hangs neither blocks dmuser-watch nor leaves the node open, whichever
# process is killed meanwhile.
# vm: --mem 512 --cpus 2 --disk 64M --timeout 1800
# add: tests/vm/lib.sh tests/vm/watch.sh
# shellcheck source=tests/vm/watch.sh
. /add/watch.sh

store=/dev/mapper/store

watch() {
	dmuser-watch --patience 8000 --delay-max 1000 --timeout "$patience" "$name" ||
		fail "dmuser-watch"
	watch=$(watchdog pid)
}

# The process that starts the daemon, and the daemon, which hangs when it reads its store.
starter='' starting=''
hangs() {
	starter=$(pgrep -P "$watch") && starting=$(pgrep -P "$starter") &&
		threads "$starting" | grep -q D
}

# threads PID: the state letters of the threads of the process.
threads() {
	local task
	for task in /proc/"$1"/task/*/stat; do
		letter "$task" && echo "$letter"
	done
}

# hang WHAT: suspend the store and kill the daemon. Wait until the start of the next daemon hangs.
hang() {
	pid=$(server)
	restarts=$(watchdog restarts) failures=$(events restart-failed)
	dmsetup suspend store || fail "suspend"
	kill -KILL "$pid"
	wait_for 60 "$1: a start hangs" hangs
	is "$1: the node is open for the new daemon" "$(word sealed)" 0
}

# dying PID: a thread has a pending SIGKILL, and ends when the store has answered.
dying() {
	grep -q '^S[a-z]*Pnd:.*1..$' /proc/"$1"/task/*/status
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
	wait_for 60 "$1: the daemon that hung is gone" no_daemons
	handover "$name" >/dev/null || fail "$1: a restart by hand"
	is "$1: sealed after a restart by hand" "$(word sealed)" 1
	watch
}

dmsetup create store --table "0 $(blockdev --getsz "$disk") linear $disk 0" || fail "the store"
create "$name" "file:$store,direct,extents=off" || fail "create"
handover "$name" >/dev/null || fail "handover"
watch

hang "hung start"
wait_for 60 "the watchdog gives the start up" gave_up
wait_for 20 "the starter is gone" gone "$starter"
# A process that waits for a disk ends only when the disk answers. Until then it has a socket and a
# channel, but is no daemon.
wait_for 20 "the daemon that hangs is dying" dying "$starting"
said=$(dmesg | grep -a 'event=restart-failed' | tail -n 1)
check "the log says so: ${said#*reason=}" \
	grep -q 'killed: it had not started after 8000 ms' <<<"$said"
status=$(dmuserctl status "$name")
[[ $status =~ unserved\ +for\ [0-9.]+\ s,\ [0-9]+\ attempts,.*had\ not\ started ]] ||
	fail "status in words: $status"
ok "status says: $(grep ^unserved <<<"$status")"
is "the node is sealed" "$(word sealed)" 1
go_on
wait_for 60 "the daemon dies when the store answers" gone "$starting"
wait_for 60 "another daemon serves" restarted
wait_for 20 "sealed" word_is sealed 1

# No process is left to seal the node, until the next watchdog starts.
hang "the watchdog is killed"
kill -KILL "$watch"
wait_for 20 "the watchdog is dead" gone "$watch"
kill -KILL "$starter"
wait_for 20 "the new daemon dies with its starter" dying "$starting"
is "the node is open" "$(word sealed)" 0
! said=$(dmuser-watch "$name" 2>&1) || fail "dmuser-watch watches a device without a daemon"
[[ $said =~ no\ daemon\ serves\ it|has\ a\ channel|does\ not\ (say|answer)|is\ dying ]] ||
	fail "dmuser-watch for a device without a daemon: $said"
is "the next watchdog has sealed the node: $said" "$(word sealed)" 1
by_hand "the watchdog is killed"

hang "the watchdog is told to end"
kill -TERM "$watch"
wait_for 60 "the watchdog ends when it gives the start up" gone "$watch"
is "the node is sealed" "$(word sealed)" 1
is "the watchdog in the status" "$(dmuserctl status --json "$name" | jq .watchdog)" null
by_hand "the watchdog is told to end"

hang "only the starter hangs"
kill -STOP "$starter"
go_on
wait_for 60 "the starter is killed" gone "$starter"
wait_for 60 "the daemon serves" restarted
is "the serving daemon" "$(server)" "$starting"
is "failed attempts" "$(events restart-failed)" "$failures"
check "the whole device can be read" dd if="/dev/mapper/$name" of=/dev/null bs=1M iflag=direct
is "the serving daemon after the read" "$(server)" "$starting"

hang "starter and daemon are stopped"
kill -STOP "$starter" "$starting"
go_on
wait_for 60 "the stopped daemon is killed" gone "$starting"
wait_for 60 "another daemon serves" restarted

is "errors" "$(word errors)" 0
is "requests that failed" "$(word failed)" 0
remove
wait_for 20 "the watchdog leaves with the device" gone "$watch"
dmsetup remove store || fail "remove the store"
finish
