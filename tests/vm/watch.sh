# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the tests of dmuser-watch share; sourced in the place of lib.sh, which it sources.
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# watchdog FIELD: of what dmuserctl status says of it, "" if nobody watches.
watchdog() {
	dmuserctl status --json "$name" | jq -r "if .watchdog then .watchdog.$1 else empty end"
}

watchdog_is() {
	[ "$(watchdog "$1")" = "$2" ]
}

# served_by_other PID: a daemon serves, and it is not that one.
served_by_other() {
	local pid
	pid=$(server) && [ -n "$pid" ] && [ "$pid" != "$1" ]
}
