#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P5: neither a daemon nor dmuser-watch uses a store, program, log or run directory that lies on the
# served device, by a file system of many devices (btrfs) or by a device on top (dm-linear).
# vm: --mem 640
# add: tests/vm/lib.sh
# kernels: 6.1 6.12 trixie backports
# quick: 6.1
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# all_refused WHAT: no file on /mnt, which lies on the device by way of WHAT, is used.
all_refused() {
	cp "$(command -v dmuser-second)" "$(command -v dmuser-watch)" /mnt/ || fail "copy"
	truncate -s 64M /mnt/image
	sync
	fails_saying "/mnt/image lies on the device" dmuserctl handover "$name" file:/mnt/image
	fails_saying "this program lies on the device" \
		/mnt/dmuser-second --timeout "$patience" "$name"
	/mnt/dmuser-second --foreground --timeout 1000 "$name" >/mnt/log 2>&1 &&
		fail "a program on the device served"
	[ ! -s /mnt/log ] || grep -q 'lies on' /mnt/log || fail "the log: $(cat /mnt/log)"
	dmuser-second --foreground --timeout "$patience" "$name" 2>/mnt/log &
	wait_for 60 "the daemon is alive" alive $!
	wait_for 60 "the daemon serves" served_by $!
	is "lines of a log on $1" "$(grep -c event= /mnt/log)" 0
	mkdir -p "/mnt/run/$name"
	cp "$run/$name/tab" "/mnt/run/$name/"
	fails_saying "/mnt/run lies on $name itself" dmuser-watch --run-dir /mnt/run "$name"
}

served_by() {
	[ "$(server)" = "$1" ]
}

truncate -s 256M /tmp/image
create "$name" file:/tmp/image || fail "create"
mkdir -p /mnt

mkfs.btrfs -q "/dev/mapper/$name" && mount -t btrfs "/dev/mapper/$name" /mnt || fail "btrfs"
all_refused "btrfs"
umount /mnt

sectors=$(blockdev --getsz "/dev/mapper/$name")
dmsetup create over --table "0 $sectors linear /dev/mapper/$name 0" || fail "over"
mkfs.ext4 -q /dev/mapper/over && mount -t ext4 /dev/mapper/over /mnt || fail "ext4"
all_refused "ext4 on dm-linear"
umount /mnt
dmsetup remove over
remove
rm /tmp/image
finish
