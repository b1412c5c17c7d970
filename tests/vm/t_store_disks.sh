#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P12: a disk with large physical blocks is served, and a disk that takes the place and number
# of an unplugged store is refused.
# vm: --mem 320
# add: tests/vm/lib.sh
# kernels: 6.1 6.12 trixie backports
# quick: backports
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

hosts=/sys/bus/pseudo/drivers/scsi_debug/add_host

one_disk() {
	[ "$(lsblk -dno NAME,TYPE | grep -c '^sd.*disk')" = "$1" ]
}

modprobe sd_mod
check "a disk of 16 KiB blocks" modprobe scsi_debug dev_size_mb=8 physblk_exp=5 delay=0
wait_for 60 "the disk is there" one_disk 1
sd=/dev/$(lsblk -dno NAME | grep '^sd')
is "physical blocks of the disk" "$(blockdev --getpbsz "$sd")" 16384
check "the kernel maps the disk" create "$name" "file:$sd"
is "physical blocks of the device" "$(blockdev --getpbsz "/dev/mapper/$name")" 16384
remove
check "the disk is served" create "$name" "file:$sd,extents=off"
is "physical blocks of the device" "$(blockdev --getpbsz "/dev/mapper/$name")" 4096
check "a write" dd if=/dev/urandom of="/dev/mapper/$name" bs=1M count=8 oflag=direct status=none
check "a handover" handover "$name"
number=$(cat "/sys/class/block/${sd#/dev/}/dev")

forget_claim
crash
echo -1 >$hosts
wait_for 60 "the disk is unplugged" one_disk 0
echo 1 >$hosts
wait_for 60 "another disk is plugged" one_disk 1
is "the number of the other disk" "$(cat "/sys/class/block/${sd#/dev/}/dev")" "$number"
fails_saying "is not the store served last" handover "$name"
remove
wait_for 20 "scsi_debug unloads" rmmod scsi_debug
finish
