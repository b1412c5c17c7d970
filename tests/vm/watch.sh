# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions of the tests of dmuser-watch. Sourced in place of lib.sh, which this file sources.
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# watchdog FIELD: print a field that dmuserctl status has of the watchdog, nothing if there is none.
watchdog() {
	dmuserctl status --json "$name" | jq -r "if .watchdog then .watchdog.$1 else empty end"
}

watchdog_is() {
	[ "$(watchdog "$1")" = "$2" ]
}

# served_by_other PID: a daemon other than PID serves.
served_by_other() {
	local pid
	pid=$(server) && [ -n "$pid" ] && [ "$pid" != "$1" ]
}
