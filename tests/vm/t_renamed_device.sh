#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4: a renamed device is served, handed over, restarted and removed as before, by either name.
# vm: --mem 320 --disk 64M
# add: tests/vm/lib.sh
# quick: 6.1
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

served_anew() {
	[ "$(generation new)" = 4 ] && [ "$(server new)" != "$pid" ]
}

unused_new() {
	[ "$(dmsetup info -c --noheadings -o open new)" = 0 ]
}

no_watch() {
	! pgrep -x dmuser-watch
}

create "$name" "file:$disk" || fail "create"
check "dmuser-watch" dmuser-watch --timeout "$patience" "$name"
check "rename" dmsetup rename "$name" new
check "handover, by its first name" handover "$name"
check "handover, by its new name" handover new
is "generation" "$(generation new)" 3
is "generation, by its first name" "$(generation "$name")" 3
is "path" "$(dmuserctl status --json "$name" | jq -r .path)" /dev/mapper/new
pid=$(server new)
kill -KILL "$pid" || fail "kill"
wait_for 60 "dmuser-watch has restarted the daemon" served_anew
check "reads" dd if=/dev/mapper/new of=/dev/null bs=1M count=1 iflag=direct status=none
fails_saying "device name '$name' is in use" create "$name" file:/tmp/image
fails_saying "'$disk' is in use by device new" create other "file:$disk"
wait_for 20 "no process uses the device" unused_new
check "remove, by its new name" dmuserctl remove new
[ ! -e "$run/$name" ] || fail "left: $(ls "$run/$name")"
wait_for 60 "dmuser-watch has left" no_watch
finish
