#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4, P5: dmuser-watch, which needs nothing on the device, restarts a daemon that dies alone.
# vm: --mem 512 --cpus 2 --disk 64M --timeout 1800
# add: tests/vm/lib.sh tests/vm/watch.sh
# shellcheck source=tests/vm/watch.sh
. /add/watch.sh

node=/dev/mapper/$name

# keeps_away PID: no mapping, descriptor, program or directory of the process is on the device.
keeps_away() {
	local pid=$1 device link
	device=$(printf '%02x:%02x' "$major" "$minor")
	! awk '{ print $4 }' "/proc/$pid/maps" | grep -qx "$device" || return 1
	for link in "/proc/$pid/fd/"* "/proc/$pid/exe" "/proc/$pid/cwd" "/proc/$pid/root"; do
		[ "$(stat -L -c %d "$link" 2>/dev/null)" != $((major * 256 + minor)) ] || return 1
	done
	! awk '{ print $3 }' "/proc/$pid/mountinfo" | grep -qx "$major:$minor"
}

events() {
	dmesg | grep -ac "dmuser-watch: event=$1 name=$name "
}

seen() {
	[ "$(events watch)" -ge "$1" ]
}

# A file system with programs on the device, as if it were the root.
create "$name" "file:$disk,buffered" || fail "create"
mkfs.ext4 -q "$node" || fail "mkfs"
mount -t ext4 "$node" /mnt || fail "mount"
major=$(dmuserctl status --json "$name" | jq .major)
minor=$(dmuserctl status --json "$name" | jq .minor)
cp "$(command -v busybox)" "$(command -v dmuser-watch)" /mnt/ || fail "programs"
sync
is "the watchdog in the status" "$(dmuserctl status --json "$name" | jq .watchdog)" null

# Start the watchdog from the device itself, with a directory and descriptors there.
(
	cd /mnt || exit
	./dmuser-watch --steady 0 --timeout "$patience" "$name" 3<busybox
) </mnt/busybox || fail "dmuser-watch"
watch=$(watchdog pid)
check "the watchdog lives" alive "$watch"
check "the watchdog has nothing on the device" keeps_away "$watch"
is "the watchdog's OOM score" "$(cat "/proc/$watch/oom_score_adj")" -1000
is "the first byte of its argv[0]" "$(head -c 1 "/proc/$watch/cmdline")" @
locked=$(sed -n 's/^VmLck:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$watch/status")
check "the watchdog's memory is locked" [ "$locked" -gt 500 ]
! said=$(dmuser-watch "$name" 2>&1) || fail "two watchdogs"
[[ $said == *"watches it already"* ]] || fail "two watchdogs: $said"
ok "a second watchdog is refused: $said"

handover "$name" >/dev/null || fail "a handover of a watched device"
wait_for 60 "the watchdog has seen the new daemon" seen 2
is "deaths that the watchdog has seen" "$(events died)" 0
is "the node is sealed" "$(word sealed)" 1

# Direct I/O, which waits for the device.
fio --name=v --directory=/mnt --rw=randrw --bs=4k --size=4M --time_based --runtime=1000000 \
	--direct=1 --numjobs=2 --verify=crc32c --verify_fatal=1 --eta=never --output=/tmp/fio \
	>/dev/null 2>&1 &
fio=$!
busy() {
	local from
	from=$(($(word reads) + $(word writes)))
	wait_for 60 "$1: I/O goes on" more_than $((from + 20))
}
more_than() {
	[ $(($(word reads) + $(word writes))) -gt "$1" ]
}
busy "before"

rounds=$(bounded 10 4)
for round in $(seq "$rounds"); do
	pid=$(server)
	echo 3 >/proc/sys/vm/drop_caches
	kill -KILL "$pid"
	wait_for 60 "$round: the daemon is dead" gone "$pid"
	wait_for 60 "$round: another daemon serves" served_by_other "$pid"
	wait_for 60 "$round: the watchdog has counted the restart" watchdog_is restarts "$round"
	[ "$(word sealed)" = 1 ] || wait_for 20 "$round: sealed again" word_is sealed 1
	check "$round: the new daemon has nothing on the device" keeps_away "$(server)"
	busy "$round"
done
is "restarts" "$(events restart)" "$rounds"
is "restarts without a pause" "$(dmesg | grep -ac 'event=died .* next_ms=0$')" "$rounds"
is "the watchdog after the restarts" "$(watchdog pid)" "$watch"
is "daemons" "$(daemons | wc -l)" 1
is "the daemon's stage" "$(dmuserctl status --json "$name" | jq -r .daemon.stage)" second

# A process that needs the device cannot start a daemon: not even a program on the device can run.
kill -STOP "$watch"
wait_for 20 "the watchdog is stopped" in_state "$watch" T
pid=$(server)
echo 3 >/proc/sys/vm/drop_caches
kill -KILL "$pid"
wait_for 20 "the daemon is dead" gone "$pid"
# The daemon's other threads may die a little later.
wait_for 20 "its channels are gone" word_is channels 0
wait_for 20 "I/O waits" word_at_least queued 1
/mnt/busybox true &
other=$!
wait_for 20 "a program on the device waits" in_state "$other" D
is "served" "$(dmuserctl status --json "$name" | jq .served)" false
kill -CONT "$watch"
wait "$other" || fail "the program on the device failed"
ok "a program on the device runs once the watchdog goes on"
wait_for 60 "the watchdog has counted the restart" watchdog_is restarts $((rounds + 1))

kill -INT "$fio"
wait "$fio"
! grep -aqE 'verify:|error=|err= *[1-9]' /tmp/fio || fail "fio: $(tail -n 20 /tmp/fio)"
ok "fio verified all that it read"
is "errors" "$(word errors)" 0
is "requests that failed" "$(word failed)" 0
umount /mnt || fail "umount"
check "fsck says clean" fs_check e2fsck -fn "$node"
remove
wait_for 20 "the watchdog leaves with the device" gone "$watch"
finish
