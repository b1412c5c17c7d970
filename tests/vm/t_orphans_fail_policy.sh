#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2: with orphans:fail and nodaemon:fail, the death of a daemon causes errors, but no wrong bytes
# and no hang.
# vm: --mem 512 --cpus 2 --disk 64M
# quick: 6.1
# add: build/tests/vm/load tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

errors_seen() {
	[ "$(load_word errors)" -gt "$1" ]
}

create "$name" "file:$disk,direct,extents=off,orphans=fail,nodaemon=fail:500" || fail "create"
case $(dmsetup table "$name") in
*" orphans:fail"*) ok "the row has the policy" ;;
*) fail "the row: $(dmsetup table "$name")" ;;
esac
load_start -e
for n in 2 3; do
	load_progress 1
	before=$(load_word errors)
	pid=$(server)
	kill -KILL "$pid"
	wait_for 20 "the daemon is dead" gone "$pid"
	wait_for 30 "the load sees errors" errors_seen "$before"
	ok "errors are seen: $(load_word errors)"
	load_progress
	ok "the load goes on"
	handover "$name" >/dev/null || fail "restart"
	is "generation of the restarted daemon" "$(generation)" "$n"
	load_progress
done
is "status lines that say that a daemon serves" "$(dmsetup status "$name" | grep -c 'daemon:1')" 1
load_stop
remove
finish
