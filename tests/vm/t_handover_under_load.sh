#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P3, P9: many handovers in a row under verified load, direct and buffered in turn, cause no
# error and no wrong byte.
# vm: --mem 512 --cpus 2 --disk 64M
# quick: 6.12
# add: build/tests/vm/load tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

mode() {
	[ $(($1 % 2)) = 0 ] && echo direct || echo buffered
}

summary='"\(.generation) \(.newest_generation) \(.generations | length) \(.sealed) '
summary+='\(.daemon.cache) \(.daemon.pid)"'
create "$name" "file:$disk,$(mode 1),extents=off" || fail "create"
is "generation of the first stage" "$(generation)" 1
is "not sealed before the first handover" "$(word sealed)" 0
load_start -b "$disk"
old=$(server)
handovers=$(bounded 25 12)
for n in $(seq 2 $((handovers + 1))); do
	handover "$name" "file:$disk,$(mode "$n")" >/dev/null || fail "handover to generation $n"
	# One status call: processes are slow to start in a guest.
	now=$(dmuserctl status --json "$name" | jq -r "$summary")
	pid=${now##* }
	[ "${now% *}" = "$n $n 1 true $(mode "$n")" ] ||
		fail "generation $n, alone, sealed, $(mode "$n"): $now"
	{ [ "$pid" != "$old" ] && gone "$old"; } ||
		fail "the daemon of generation $((n - 1)) has not left"
	old=$pid
	load_progress 1
	load_calm || fail "generation $n: $(cat "$load_file")"
done
ok "$handovers handovers"
is "errors that daemons answered" "$(word errors)" 0
is "requests that failed" "$(word failed)" 0
is "answers refused" "$(word refused)" 0
load_stop
remove
finish
