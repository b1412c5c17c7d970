#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4, P12: on signals, and without its files, a kernel log or an answer, dmuser-watch says so, ends
# or goes on, and never hangs.
# vm: --mem 512 --cpus 2
# add: tests/vm/lib.sh tests/vm/watch.sh
# shellcheck source=tests/vm/watch.sh
. /add/watch.sh

image=/tmp/image

watch() {
	dmuser-watch --timeout "$patience" "$@" "$name" || fail "dmuser-watch"
	watch=$(watchdog pid)
}

# restart WHAT: kill the daemon, and wait until the watchdog has started another daemon.
restart() {
	pid=$(server)
	kill -KILL "$pid"
	wait_for 60 "$1: another daemon serves" served_by_other "$pid"
	ok "$1: the watchdog restarts the daemon"
}

# refused STATUS PATTERN ARGUMENT...: dmuser-watch exits with STATUS and prints PATTERN.
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

# The watchdog has no kernel log to write to.
mv /dev/kmsg /dev/kmsg.away
watch
mv /dev/kmsg.away /dev/kmsg
restart "without a kernel log"
is "its lines in the kernel log" "$(dmesg | grep -ac dmuser-watch:)" 0

# The watchdog ignores signals of a terminal; SIGTERM ends it.
kill -HUP "$watch"
kill -QUIT "$watch"
restart "after SIGHUP and SIGQUIT"
is "the watchdog" "$(watchdog pid)" "$watch"
pid=$(server)
kill -TERM "$watch"
wait_for 20 "the watchdog ends" gone "$watch"
is "the daemon" "$(server)" "$pid"
is "the watchdog's file" "$(ls "$run/$name/watch" 2>/dev/null)" ""

# A watchdog in the foreground takes over from another watchdog, however that ends.
watch
mkdir /logs && mount -t tmpfs none /logs && touch /logs/in || fail "mount"
dmuser-watch --foreground --timeout "$patience" "$name" </logs/in >/logs/out 2>&1 &
standby=$!
stands_by() {
	[ "$(head -c 1 "/proc/$standby/cmdline")" = @ ] && in_state "$standby" S
}
wait_for 20 "a second watchdog stands by" stands_by
is "the watchdog that watches" "$(watchdog pid)" "$watch"
wait_for 20 "the second watchdog keeps no descriptor of its parent" umount /logs
kill -KILL "$watch"
wait_for 20 "the second watchdog has taken over" watchdog_is pid "$standby"
restart "the second watchdog"
kill -TERM "$standby"
wait_for 20 "the second watchdog ends" gone "$standby"
wait "$standby"
is "its exit status after SIGTERM" $? 0
watch
dmuser-watch --foreground "$name" 2>/tmp/said &
standby=$!
wait_for 20 "another watchdog stands by" stands_by
kill -TERM "$standby"
wait_for 20 "the standby ends" gone "$standby"
wait "$standby"
is "the standby's exit status after SIGTERM" $? 0

# Another file has the name of the store: a restart serves the store that was served before.
ln "$image" /tmp/kept
cp "$image" /tmp/other
printf 'served' | dd of="/dev/mapper/$name" oflag=direct conv=sync bs=4096 2>/dev/null ||
	fail "write"
mv /tmp/other "$image"
restart "another file has the name of the store"
is "bytes of the store that was served" \
	"$(dd if="/dev/mapper/$name" iflag=direct bs=4096 count=1 2>/dev/null | head -c 6)" served
said=$(handover "$name" 2>&1) && fail "a handover to the other file"
ok "a handover to the other file is refused: $said"
mv /tmp/kept "$image"

# A daemon does not answer, and so many connections wait for it that no further process can connect.
kill -TERM "$watch"
wait_for 20 "the watchdog ends" gone "$watch"
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

# The watchdog ends when its file is removed, without which no other process knows of it.
dmuser-watch --foreground "$name" 2>/tmp/said &
foreground=$!
wait_for 60 "the watchdog watches" watchdog_is pid "$foreground"
rm "$run/$name/watch"
wait_for 60 "the watchdog ends without its file" gone "$foreground"
wait "$foreground"
is "the watchdog's exit status without its file" $? 1
check "the kernel log says so" grep -q "watch was removed: nothing watches the device now" <(dmesg)

# The daemon is dead, and another process holds a channel: no daemon can serve, and status says why.
watch
dmuserctl unseal "$name" || fail "unseal"
exec 8<>"/dev/dm-user/$name" || fail "a channel"
dmuserctl seal "$name" || fail "seal"
pid=$(server)
kill -KILL "$pid"
wait_for 60 "status says why" \
	watchdog_is reason "no process listens, but a process has a channel of it"
ok "status says why: $(dmuserctl status "$name" | grep ^watchdog)"
exec 8>&-
wait_for 60 "another daemon serves when the channel is closed" served_by_other "$pid"
wait_for 20 "status has no reason any more" watchdog_is reason null

# Status calls, which ask for the watchdog all the time, keep no watchdog from starting.
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
ok "status calls keep no watchdog from starting"

# The device is removed at its last close; the watchdog removes the files that the daemon cannot.
handover "$name" >/dev/null || fail "handover"
wait_for 20 "no process uses $name" unused "$name"
exec 5<"/dev/mapper/$name"
dmsetup remove --deferred "$name" || fail "dmsetup remove"
exec 5<&-
wait_for 20 "the watchdog leaves with the device" gone "$watch"
finish
