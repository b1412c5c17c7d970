#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4, P12: what dmuser-watch does with signals, without its files, a kernel log or an answer: it says so, ends or goes on, and never hangs.
# vm: --mem 512 --cpus 2
# add: tests/vm/lib.sh tests/vm/watch.sh
# shellcheck source=tests/vm/watch.sh
. /add/watch.sh

image=/tmp/image

watch() {
	dmuser-watch --timeout "$patience" "$@" "$name" || fail "dmuser-watch"
	watch=$(watchdog pid)
}

# The daemon dies, and another one comes.
restart() {
	pid=$(server)
	kill -KILL "$pid"
	wait_for 60 "$1: another one serves" served_by_other "$pid"
	ok "$1: it restarts the daemon"
}

# refused STATUS PATTERN ARGUMENT...
refused() {
	local status=$1 pattern=$2 said got
	shift 2
	said=$(timeout 60 dmuser-watch "$@" 2>&1)
	got=$?
	[ "$got" = "$status" ] || fail "dmuser-watch $*: status $got, not $status: $said"
	[[ $said =~ $pattern ]] || fail "dmuser-watch $*: no '$pattern' in: $said"
	ok "$said"
}

refused 2 "up to 64" "$(printf 'n%.0s' {1..65})"
refused 2 "up to 64" ../t
refused 2 "from 100" --patience 99 "$name"
refused 1 "no such device" "$name"

truncate -s 16M "$image"
create "$name" "file:$image,buffered" || fail "create"
handover "$name" >/dev/null || fail "handover"

# Nothing to write its log to.
mv /dev/kmsg /dev/kmsg.away
watch
mv /dev/kmsg.away /dev/kmsg
restart "without a kernel log"
is "it has said nothing" "$(dmesg | grep -ac dmuser-watch:)" 0

# Signals that are for somebody at a terminal; and what ends it.
kill -HUP "$watch"
kill -QUIT "$watch"
restart "told that its terminal is gone"
is "it is the same" "$(watchdog pid)" "$watch"
pid=$(server)
kill -TERM "$watch"
wait_for 20 "it ends" gone "$watch"
is "the daemon is not concerned" "$(server)" "$pid"
is "its file is gone" "$(ls "$run/$name/watch" 2>/dev/null)" ""

# One in the foreground takes over from another one, whatever became of that.
watch
mkdir /logs && mount -t tmpfs none /logs && touch /logs/in || fail "mount"
dmuser-watch --foreground --timeout "$patience" "$name" </logs/in >/logs/out 2>&1 &
standby=$!
stands_by() {
	[ "$(head -c 1 "/proc/$standby/cmdline")" = @ ] && in_state "$standby" S
}
wait_for 20 "a second one stands by" stands_by
is "the first one watches" "$(watchdog pid)" "$watch"
wait_for 20 "it keeps nothing of who started it" umount /logs
kill -KILL "$watch"
wait_for 20 "the second one has taken over" watchdog_is pid "$standby"
restart "the second one"
kill -TERM "$standby"
wait_for 20 "it ends" gone "$standby"
wait "$standby"
is "status of one that was told to end" $? 0
watch
dmuser-watch --foreground "$name" 2>/tmp/said &
standby=$!
wait_for 20 "another one stands by" stands_by
kill -TERM "$standby"
wait_for 20 "it ends" gone "$standby"
wait "$standby"
is "status of one that stood by" $? 0

# Another file has the name of the store: it is still the one that was served.
ln "$image" /tmp/kept
cp "$image" /tmp/other
printf 'served' | dd of="/dev/mapper/$name" oflag=direct conv=sync bs=4096 2>/dev/null || fail "write"
mv /tmp/other "$image"
restart "another file has the name of the store"
is "with the store that was served" "$(dd if="/dev/mapper/$name" iflag=direct bs=4096 count=1 2>/dev/null | head -c 6)" served
said=$(handover "$name" 2>&1) && fail "a handover to the other file"
ok "a handover to the other file is refused: $said"
mv /tmp/kept "$image"

# A daemon that does not answer, with so many waiting for it that nobody else can.
kill -TERM "$watch"
wait_for 20 "it ends" gone "$watch"
pid=$(server)
kill -STOP "$pid"
wait_for 20 "the daemon is stopped" in_state "$pid" T
asking=()
for _ in {1..20}; do
	dmuserctl status "$name" >/dev/null &
	asking+=($!)
done
wait "${asking[@]}"
refused 1 "cannot reach the daemon" "$name"
kill -CONT "$pid"
wait_for 60 "the daemon answers" server

# Without its file nobody would know of it.
dmuser-watch --foreground "$name" 2>/tmp/said &
foreground=$!
wait_for 60 "it watches" watchdog_is pid "$foreground"
rm "$run/$name/watch"
wait_for 60 "it sees that" gone "$foreground"
wait "$foreground"
is "status of one whose file was removed" $? 1
check "the kernel log says so" grep -q "watch was removed: nothing watches the device now" <(dmesg)

# The daemon is dead, and somebody holds a channel of it: nobody else can serve, and who looks is told.
watch
dmuserctl unseal "$name" || fail "unseal"
exec 8<>"/dev/dm-user/$name" || fail "a channel"
dmuserctl seal "$name" || fail "seal"
pid=$(server)
kill -KILL "$pid"
wait_for 60 "status says why" watchdog_is reason "no process listens, but a process has a channel of it"
ok "status says why: $(dmuserctl status "$name" | grep ^watchdog)"
exec 8>&-
wait_for 60 "when it is closed, another one serves" served_by_other "$pid"
wait_for 20 "and status says no more" watchdog_is reason null

# Status asks for the watchdog, all the time, and keeps none from starting.
kill -KILL "$watch"
wait_for 20 "the watchdog is dead" gone "$watch"
while :; do
	dmuserctl status "$name" >/dev/null
done &
looker=$!
for _ in 1 2 3 4 5 6 7 8; do
	watch
	kill -KILL "$watch"
	wait_for 20 "the watchdog is dead" gone "$watch"
done
kill "$looker"
wait "$looker" 2>/dev/null
watch
ok "status is in nobody's way"

# The device goes when nobody has it open any more, and with it what its daemon cannot take away.
handover "$name" >/dev/null || fail "handover"
wait_for 20 "nobody uses it" unused "$name"
exec 5<"/dev/mapper/$name"
dmsetup remove --deferred "$name" || fail "dmsetup remove"
exec 5<&-
wait_for 20 "the watchdog leaves with the device" gone "$watch"
finish
