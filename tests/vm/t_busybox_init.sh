#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4: busybox init, with the line that dmuser-watch(8) shows, keeps a watchdog of its own root, which keeps the daemon; alone it could not.
# vm: --mem 512 --cpus 2 --disk 128M
# quick: 6.12
# add: initramfs/busybox/example-init.sh docs/man/dmuser-watch.8 tests/vm/lib.sh tests/vm/example.sh
# shellcheck source=tests/vm/example.sh
. /add/example.sh

# Something else that init keeps, from a file that nobody else runs.
make_root() {
	local line
	line=$(grep '^::respawn:' /add/dmuser-watch.8) || fail "dmuser-watch(8) has no line for inittab"
	begin_root
	cp /usr/bin/dmuser-watch /usr/bin/busybox "$root/usr/sbin/"
	ln -s ../bin/busybox "$root/usr/sbin/init"
	printf '%s\n' '::sysinit:/bin/touch /run/up' "$line" '::respawn:/usr/sbin/busybox sleep 100000' >"$root/etc/inittab"
	umount "$root"
}

# What dmuserctl says, from outside the namespaces of that init.
ask() {
	dmuserctl status --json --run-dir "/proc/$one/root/run/dm-user" root | jq -r "$1"
}

# outside PID: the number here of who has that one in there.
outside() {
	grep -l "^NSpid:[[:space:]][0-9][0-9]*[[:space:]]$1\$" /proc/[0-9]*/status 2>/dev/null | cut -d/ -f3
}

# The number here of who watches.
watchdog() {
	outside "$(ask .watchdog.pid)"
}

watched_by_other() {
	local pid
	pid=$(watchdog) && [ -n "$pid" ] && [ "$pid" != "$1" ]
}

watchdogs_are() {
	[ "$(pgrep -c '^dmuser-watch')" = "$1" ]
}

served_by_other() {
	gone "$1" && [ "$(ask .served)" = true ]
}

is_up() {
	one=$(pgrep -P "$init") && [ -e "/proc/$one/root/run/up" ]
}

forget() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

# A child of init, or init itself, waits for the root.
init_waits() {
	local pid
	for pid in $(pgrep -P "$one") "$one"; do
		waits=$pid
		letter "/proc/$pid/stat" && [ "$letter" = D ] && return
	done
	return 1
}

make_initramfs
make_root
boot_example /tmp/example.log
wait_for 180 "busybox init has started" is_up
is "it is busybox's init" "$(basename "$(readlink "/proc/$one/exe")") $(cat "/proc/$one/comm")" "busybox init"
is "from the root" "$(stat -L -c %d "/proc/$one/exe")" "$(ask '.major * 256 + .minor')"
wait_for 60 "there are two watchdogs" watchdogs_are 2
first=$(watchdog)
! grep -q foreground "/proc/$first/cmdline" || fail "init's watchdog did not wait for the one of the initramfs"
ok "the one of the initramfs watches, init's stands by"
kill -KILL "$first"
wait_for 60 "init's has taken over" watched_by_other "$first"
second=$(watchdog)
check "it is init's" grep -q foreground "/proc/$second/cmdline"
forget
kill -KILL "$second"
wait_for 120 "init starts another one" watched_by_other "$second"
third=$(watchdog)
is "one" "$(pgrep -c '^dmuser-watch')" 1

for round in 1 2 3; do
	daemon=$(daemons)
	forget
	kill -KILL "$daemon"
	wait_for 60 "$round: another one serves" served_by_other "$daemon"
	check "$round: the root is written to" timeout 120 sh -c "echo $round >/proc/$one/root/proof && sync"
done
counted() {
	[ "$(ask .watchdog.restarts)" = 3 ]
}
wait_for 20 "the watchdog has counted them" counted
is "the same watchdog" "$(watchdog)" "$third"

# Were it init that started the daemon: the program cannot be read.
kill -STOP "$third"
wait_for 20 "the watchdog is stopped" in_state "$third" T
kill -STOP "$one"
wait_for 20 "init is stopped" in_state "$one" T
kept=$(pgrep -P "$one" -f 'sleep 100000')
kill -KILL "$kept"
daemon=$(daemons)
forget
kill -KILL "$daemon"
wait_for 60 "nobody serves" gone "$daemon"
kill -CONT "$one"
wait_for 60 "init waits for the root" init_waits
say "process $waits ($(cat "/proc/$waits/comm")) of init waits: $(ps -o stat= -p "$waits")"
is "nobody serves" "$(ask .served)" false
kill -CONT "$third"
wait_for 60 "the watchdog starts a daemon" served_by_other "$daemon"
again() {
	kept=$(pgrep -P "$one" -f 'sleep 100000')
}
wait_for 60 "and init the program" again
ok "init starts a program again when the watchdog goes on"
finished=1	# not finish: that root is in use, and stays so until the guest is off
exit 0
