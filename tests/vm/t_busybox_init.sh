#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4: busybox init, with the inittab line of dmuser-watch(8), keeps a watchdog for its own root,
# which keeps a daemon there; init alone could not.
# vm: --mem 512 --cpus 2 --disk 128M
# quick: 6.12
# add: initramfs/busybox/example-init.sh docs/man/dmuser-watch.8 tests/vm/lib.sh tests/vm/example.sh
# shellcheck source=tests/vm/example.sh
. /add/example.sh

# Make a root whose init also keeps another program, from a file that no other process runs.
make_root() {
	local line
	line=$(grep '^::respawn:' /add/dmuser-watch.8) ||
		fail "dmuser-watch(8) has no line for inittab"
	begin_root
	cp /usr/bin/dmuser-watch /usr/bin/busybox "$root/usr/sbin/"
	ln -s ../bin/busybox "$root/usr/sbin/init"
	printf '%s\n' '::sysinit:/bin/touch /run/up' "$line" \
		'::respawn:/usr/sbin/busybox sleep 100000' >"$root/etc/inittab"
	umount "$root"
}

# ask FILTER: print a part of dmuserctl's status, asked from outside the namespaces of that init.
ask() {
	dmuserctl status --json --run-dir "/proc/$one/root/run/dm-user" root | jq -r "$1"
}

# outside PID: print the pid here of the process that is PID in the namespace of that init.
outside() {
	grep -l "^NSpid:[[:space:]][0-9][0-9]*[[:space:]]$1\$" /proc/[0-9]*/status 2>/dev/null |
		cut -d/ -f3
}

# Print the pid here of the serving watchdog.
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

# A child of init, or init itself, waits for the root's I/O.
init_waits() {
	local pid
	for pid in $(pgrep -P "$one") "$one"; do
		waits=$pid
		letter "/proc/$pid/stat" && [ "$letter" = D ] && return
	done
	return 1
}

make_initramfs
# The root's I/O is to need the daemon.
sed -i 's|file:/dev/vda|&,extents=off|' "$tree/init"
make_root
boot_example /tmp/example.log
wait_for 180 "busybox init has started" is_up
is "process 1" "$(basename "$(readlink "/proc/$one/exe")") $(cat "/proc/$one/comm")" "busybox init"
is "the device of its program" "$(stat -L -c %d "/proc/$one/exe")" "$(ask '.major * 256 + .minor')"
wait_for 60 "there are two watchdogs" watchdogs_are 2
first=$(watchdog)
! grep -q foreground "/proc/$first/cmdline" ||
	fail "init's watchdog did not wait for the initramfs's watchdog"
ok "the initramfs's watchdog watches, init's watchdog stands by"
kill -KILL "$first"
wait_for 60 "init's watchdog has taken over" watched_by_other "$first"
second=$(watchdog)
check "the watchdog is init's" grep -q foreground "/proc/$second/cmdline"
forget
kill -KILL "$second"
wait_for 120 "init starts another watchdog" watched_by_other "$second"
third=$(watchdog)
is "the number of watchdogs" "$(pgrep -c '^dmuser-watch')" 1

for round in 1 2 3; do
	daemon=$(daemons)
	forget
	kill -KILL "$daemon"
	wait_for 60 "$round: another daemon serves" served_by_other "$daemon"
	check "$round: the root is written to" \
		timeout 120 sh -c "echo $round >/proc/$one/root/proof && sync"
done
counted() {
	[ "$(ask .watchdog.restarts)" = 3 ]
}
wait_for 20 "the watchdog has counted the restarts" counted
is "the watchdog after the restarts" "$(watchdog)" "$third"

# Init alone cannot start a program again: it cannot read the program from the root.
kill -STOP "$third"
wait_for 20 "the watchdog is stopped" in_state "$third" T
kill -STOP "$one"
wait_for 20 "init is stopped" in_state "$one" T
kept=$(pgrep -P "$one" -f 'sleep 100000')
kill -KILL "$kept"
daemon=$(daemons)
forget
kill -KILL "$daemon"
wait_for 60 "no daemon serves" gone "$daemon"
kill -CONT "$one"
wait_for 60 "init waits for the root" init_waits
say "process $waits ($(cat "/proc/$waits/comm")) of init waits: $(ps -o stat= -p "$waits")"
is "served" "$(ask .served)" false
kill -CONT "$third"
wait_for 60 "the watchdog starts a daemon" served_by_other "$daemon"
again() {
	kept=$(pgrep -P "$one" -f 'sleep 100000')
}
wait_for 60 "init starts the program" again
ok "init starts a program again when the watchdog goes on"
finished=1	# not finish: that root is in use until the guest is off
exit 0
