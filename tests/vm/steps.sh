# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions of the tests that run tests/steps, sourced in place of lib.sh, which this file sources.
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

kept=w

# served NAME LOADFILE OPTION...: start a verified load on a device in the background.
served() {
	load_file=$2
	name=$1 load_start -t 2 -p 10 -i 10 "${@:3}"
}

# steps_begin SPEC: serve $disk as SPEC, and a device whose backend has state, each under load.
steps_begin() {
	truncate -s 4M /tmp/made.image
	create "$name" "file:$disk,$1" || fail "create"
	served "$name" /tmp/load
	plain=$load_pid
	handover "$name" >/dev/null || fail "handover"
	/add/dmuser-first-wb --timeout "$patience" "$kept" "wb:/dev/vdb" || fail "create $kept"
	/add/dmuser-second-wb --takeover --timeout "$patience" "$kept" || fail "handover of $kept"
	served "$kept" /tmp/load.kept -w
}

# steps_run OPTION...: every step that the options select.
steps_run() {
	say "steps $*"
	/add/steps "$@" "$name" "$disk" /tmp/load "$kept" /dev/vdb /tmp/load.kept ||
		fail "not every step ends as promised"
}

steps_end() {
	load_stop
	load_file=/tmp/load load_pid=$plain load_stop
	remove "$kept"
	remove
}
