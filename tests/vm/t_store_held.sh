#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4: a block device that is a store belongs to its dm-user device, served or not: no other
# program can mount or use it, a part of it or the disk that it is a part of. Nor does a device in
# use become a store.
# vm: --mem 320 --cpus 2 --disk 16M --disk 16M
# add: build/tests/vm/load tests/vm/lib.sh
# quick: uml-6.12 backports
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

busy='Device or resource busy'
other=/dev/vdb
number=$(lsblk -dno MAJ:MIN "$disk" | tr -d " ")

# linear NAME DEVICE: make a linear device, as LVM does.
linear() {
	dmsetup create "$1" --table "0 2048 linear $2 0" 2>&1
}

held() {
	fails_saying "$disk" mount -t ext4 "$disk" /mnt
	fails_saying "in use" mke2fs -F -q "$disk"
	fails_saying "'$disk' is in use by device $name: $busy" create second "file:$disk"
	is "its holder in sysfs" "$(cat "/sys/dev/block/$number/holders"/*/dm/name)" "$name"
}

create "$name" "file:$disk,extents=off" || fail "create"
is "backing: in the row" "$(dmuserctl status --json "$name" | jq -r .policy.backing)" "$number"
mke2fs -F -q "/dev/mapper/$name" || fail "mke2fs"
mount -t ext4 "/dev/mapper/$name" /mnt || fail "mount"
umount /mnt
held
check "a handover" handover "$name"
held
crash
held
check "a restart" handover "$name"
held

# Another table shares device-mapper's claim. No further daemon may write to a store that it uses.
check "another table" linear thief "$disk"
fails_saying "$disk is in use by device thief, too" handover "$name"
crash
fails_saying "$disk is in use by device thief, too" handover "$name"
dmsetup remove thief
check "a restart" handover "$name"

# The device of an older program claims its store at a handover, unless the store has another claim.
forget_claim
load_start -t 2
check "a handover under load" handover "$name"
load_progress
held
forget_claim
load_progress
crash
claims_nothing
check "a restart under load" handover "$name"
load_progress
claims_nothing
check "a handover under load" handover "$name"
load_progress
held
forget_claim
load_stop
mkswap "$disk" >/dev/null && swapon "$disk" || fail "swap on the store"
check "a handover beside another claim" handover "$name"
claims_nothing
check "the log says so" grep -q "the table of $name does not claim $disk, so make sure" <(dmesg)
swapoff "$disk" || fail "swapoff"
check "a handover without another claim" handover "$name"
held
remove

# Stores that are in use.
mke2fs -F -q "$disk" || fail "mke2fs"
mount -t ext4 -o ro "$disk" /mnt || fail "mount"
fails_saying "'$disk' is in use: mounted" create "$name" "file:$disk,extents=off"
check "a read-only mount allows a read-only device" create "$name" "file:$disk,ro"
remove
umount /mnt
linear volume "$disk" || fail "dmsetup"
fails_saying "'$disk' is in use by device volume: $busy" create "$name" "file:$disk,extents=off"
dmsetup remove volume
check "a read-only device" create "$name" "file:$disk,ro"
check "a second read-only device" create again "file:$disk,ro"
fails_saying "in use" create second "file:$disk"
remove again
remove

# Two at once: the first create has found the disk free, but has not claimed it yet.
strace -I 2 -f -qq -o /tmp/strace -P /dev/mapper/control -e trace=ioctl \
	-e inject=ioctl:signal=STOP:when=6 \
	dmuserctl create --timeout "$patience" one "file:$disk" >/tmp/one 2>&1 &
strace=$!
wait_for 60 "the first create is stopped" grep -q 'stopped by SIGSTOP' /tmp/strace
fails_saying "'$disk' is in use" create two "file:$disk"
pkill -CONT '^dmuser-first'
wait_for 60 "the first create has the disk" test -b /dev/mapper/one
# strace would trace the daemon for as long as it lives.
kill "$strace" && wait "$strace"
remove one

# A row keeps the mode that it was loaded with when the module's parameter changes.
parameter=/sys/module/dm_user/parameters/compat
echo android >$parameter
dmsetup create "$name" --table "0 $(blockdev --getsz "$disk") user 0 0 $name" || fail "dmsetup"
dmuser-first --takeover --timeout "$patience" "$name" "file:$disk" || fail "a daemon for the row"
echo none >$parameter
check "a handover" handover "$name"
is "the row" "$(dmsetup table "$name" | cut -d' ' -f 7-)" "2 compat:android backing:$number"
held
remove

# Parts of a disk.
addpart "$other" 1 2048 8192 || fail "addpart"
part=/dev/$(lsblk -lno NAME,TYPE "$other" | sed -n 's/ *part$//p')
wait_for 20 "the partition is there" test -b "$part"
create "$name" "file:$part,extents=off" || fail "create on a partition"
fails_saying "'$other' is in use by device $name: $busy" create second "file:$other"
fails_saying "in use" mke2fs -F -q "$other"
remove
create "$name" "file:$other,extents=off" || fail "create on a disk"
fails_saying "'$part' is in use by device $name: $busy" create second "file:$part"
crash
fails_saying "'$part' is in use by device $name: $busy" create second "file:$part"
check "a restart" handover "$name"
remove
linear volume "$part" || fail "dmsetup"
fails_saying "'$other' is in use by device volume: $busy" create "$name" "file:$other,extents=off"
dmsetup remove volume
delpart "$other" 1
finish
