#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4, P12: dmuser-watch pauses longer and longer while it cannot start a daemon, says so, recovers,
# and does not interfere with an administrator.
# vm: --mem 512 --cpus 2 --disk 64M
# quick: 6.1
# add: build/tests/vm/load tests/vm/lib.sh tests/vm/watch.sh
# shellcheck source=tests/vm/watch.sh
. /add/watch.sh

events() {
	dmesg | grep -ac "dmuser-watch: event=$1 name=$name "
}

watches() {
	dmesg | grep -a 'dmuser-watch: event=watch ' | tail -n 1 | grep -q " pid=$1 "
}

create "$name" "file:$disk,direct,extents=off" || fail "create"
load_start -t 2
handover "$name" >/dev/null || fail "handover"
dmuser-watch --timeout "$patience" "$name" || fail "dmuser-watch"
watch=$(watchdog pid)

# A killed watchdog can be started again while a daemon serves.
kill -KILL "$watch"
wait_for 20 "the watchdog is dead" gone "$watch"
is "the watchdog in the status" "$(dmuserctl status --json "$name" | jq .watchdog)" null
[[ $(dmuserctl status "$name") == *"no process would restart a dead daemon"* ]] ||
	fail "status in words"
dmuser-watch --delay-max 1000 --timeout "$patience" "$name" || fail "another watchdog"
watch=$(watchdog pid)

# A store that cannot be opened: each attempt fails.
pid=$(server)
mv "$disk" "$disk.away"
kill -KILL "$pid"
failing() {
	[ "$(watchdog attempts)" -ge 6 ]
}
wait_for 120 "six attempts have failed" failing
status=$(dmuserctl status "$name")
[[ $status =~ unserved\ +for\ [0-9.]+\ s,\ [0-9]+\ attempts,.*$disk ]] ||
	fail "status in words: $status"
ok "status says: $(grep ^unserved <<<"$status")"
wait_for 20 "the node is sealed between attempts" word_is sealed 1
ok "the node is sealed between attempts"
attempts=$(watchdog attempts)
check "the log has fewer lines than there were attempts: $(events restart-failed)" \
	[ "$(events restart-failed)" -lt "$attempts" ]
pauses=$(dmesg | grep -a 'event=restart-failed' | sed -n 's/.* next_ms=\([0-9]*\) .*/\1/p')
is "the pauses after attempts 1, 2 and 4, up to the limit" "$(head -n 3 <<<"$pauses" | xargs)" \
	"250 500 1000"
mv "$disk.away" "$disk"
wait_for 60 "the watchdog recovers when the store is back" served_by_other "$pid"
load_progress

# The watchdog pauses, too, before it restarts a daemon that dies again soon.
wait_for 60 "the watchdog has seen the new daemon" watchdog_is down_ms null
pid=$(server)
kill -KILL "$pid"
wait_for 60 "another daemon serves" served_by_other "$pid"
is "the pause after an early death" \
	"$(dmesg | grep -a 'event=died' | tail -n 1 | sed 's/.* next_ms=//')" 1000

# An administrator is faster, and the watchdog sees that a daemon serves.
wait_for 60 "no attempt is due" watchdog_is down_ms null
kill -STOP "$watch"
pid=$(server)
kill -KILL "$pid"
wait_for 20 "the daemon is dead" gone "$pid"
handover "$name" >/dev/null || fail "a restart by hand"
restarts=$(watchdog restarts)
pid=$(server)
kill -CONT "$watch"
wait_for 60 "the watchdog has seen the administrator's daemon" watches "$pid"
is "the watchdog's restarts" "$(watchdog restarts)" "$restarts"
is "the serving daemon" "$(server)" "$pid"

load_stop
is "errors" "$(word errors)" 0
is "requests that failed" "$(word failed)" 0
remove
wait_for 20 "the watchdog leaves with the device" gone "$watch"
finish
