#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P12: no daemon serves beside another daemon or removes its files, and the tab names the store.
# vm: --mem 512 --cpus 2 --disk 16M
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

tab() {
	head -n 1 "$run/$name/tab"
}

# ---- the daemon lives, but the name of its socket is gone ----

create "$name" "file:$disk,direct,extents=off" || fail "create"
pid=$(server)
rm "$run/$name/handover.sock"
for try in 1 2; do
	handover "$name" >/tmp/out 2>&1 && fail "a second daemon serves"
	check "try $try: $(cat /tmp/out)" \
		grep -q 'channels of .* are held by a process that does not listen' /tmp/out
	is "channels and generation" "$(word channels) $(word generation)" "4 1"
	check "the daemon lives" alive "$pid"
done
is "daemons" "$(daemons)" "$pid"
is "the tab" "$(tab)" "$name file:$disk,direct,extents=off"

# ---- the daemon dies, and a new daemon in the foreground writes its store into the tab ----

kill -KILL "$pid"
dmuserctl unseal "$name" || fail "unseal"
ln -s "$disk" /tmp/other || fail "another name of the store"
dmuser-second --foreground --timeout "$patience" "$name" "file:/tmp/other,buffered" >/tmp/out 2>&1 &
wait_for 60 "the tab names its store" grep -qx "$name file:/tmp/other,buffered" "$run/$name/tab"
handover "$name" "file:$disk" >/dev/null || fail "handover"
is "the tab after a shorter line" "$(grep . "$run/$name/tab")" "$name file:$disk"
pid=$(server)
kill -KILL "$pid"
wait_for 20 "the daemon is dead" gone "$pid"
handover "$name" >/dev/null || fail "restart from the tab"
is "the restarted daemon's backend" "$(dmuserctl status --json "$name" | jq -r .daemon.backend)" \
	"file:$disk"
remove

# ---- a daemon that leaves late, when another device has its name ----

create "$name" "file:$disk,direct,extents=off" || fail "create"
old=$(server)
kill -STOP "$old"
wait_for 20 "the daemon is stopped" in_state "$old" T
wait_for 20 "no process uses $name" unused "$name"
dmsetup remove "$name" || fail "dmsetup remove"
fails_saying "'$disk' is in use" create "$name" "file:$disk,direct,extents=off"
truncate -s 4M /tmp/image
create "$name" file:/tmp/image || fail "create anew"
pid=$(server)
before=$(find "$run/$name" | sort)
kill -CONT "$old"
wait_for 60 "the late daemon is gone" gone "$old"
is "the files of the new daemon" "$(find "$run/$name" | sort)" "$before"
is "the daemon that answers" "$(server)" "$pid"
handover "$name" >/dev/null || fail "handover"
remove
finish
