#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4, P12: dmuser-watch pauses longer and longer while no daemon can be started, says so, recovers, and leaves an administrator alone.
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

create "$name" "file:$disk,direct" || fail "create"
load_start -t 2
handover "$name" >/dev/null || fail "handover"
dmuser-watch --timeout "$patience" "$name" || fail "dmuser-watch"
watch=$(watchdog pid)

# It may be killed, too: while somebody serves, whoever wants can start another one.
kill -KILL "$watch"
wait_for 20 "the watchdog is dead" gone "$watch"
is "status says so" "$(dmuserctl status --json "$name" | jq .watchdog)" null
[[ $(dmuserctl status "$name") == *"no process would restart a dead daemon"* ]] || fail "status in words"
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
[[ $status =~ unserved\ +for\ [0-9.]+\ s,\ [0-9]+\ attempts,.*$disk ]] || fail "status in words: $status"
ok "status says: $(grep ^unserved <<<"$status")"
wait_for 20 "the node is sealed between attempts" word_is sealed 1
ok "the node is sealed between attempts"
attempts=$(watchdog attempts)
check "the log has fewer lines than there were attempts: $(events restart-failed)" \
	[ "$(events restart-failed)" -lt "$attempts" ]
is "after the 1st, 2nd and 4th the pause is longer, and has a limit" \
	"$(dmesg | grep -a 'event=restart-failed' | sed -n 's/.* next_ms=\([0-9]*\) .*/\1/p' | head -n 3 | xargs)" "250 500 1000"
mv "$disk.away" "$disk"
wait_for 60 "it recovers when the store is back" served_by_other "$pid"
load_progress

# One that dies again soon has to wait, too.
wait_for 60 "the watchdog has seen it" watchdog_is down_ms null
pid=$(server)
kill -KILL "$pid"
wait_for 60 "another one serves" served_by_other "$pid"
is "not at once" "$(dmesg | grep -a 'event=died' | tail -n 1 | sed 's/.* next_ms=//')" 1000

# An administrator is faster, and the watchdog sees that.
wait_for 60 "no attempt is due" watchdog_is down_ms null
kill -STOP "$watch"
pid=$(server)
kill -KILL "$pid"
wait_for 20 "it is dead" gone "$pid"
handover "$name" >/dev/null || fail "a restart by hand"
restarts=$(watchdog restarts)
pid=$(server)
kill -CONT "$watch"
wait_for 60 "the watchdog has seen it" watches "$pid"
is "and starts none" "$(watchdog restarts)" "$restarts"
is "the same daemon serves" "$(server)" "$pid"

load_stop
is "errors" "$(word errors)" 0
is "requests that failed" "$(word failed)" 0
remove
wait_for 20 "the watchdog leaves with the device" gone "$watch"
finish
