#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# /init of an initramfs that has busybox, dmuser-first, dmuser-watch and the module dm-user.
# dmuser-first serves the root from /dev/vda; dmuser-watch restarts dmuser-first if it dies.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run

modprobe dm-user &&
	dmuser-first root file:/dev/vda &&
	dmuser-watch root &&
	mount -t ext4 -o rw /dev/mapper/root /mnt || exec sh

for dir in dev proc sys run; do
	mount -o move "/$dir" "/mnt/$dir"
done
exec switch_root /mnt /sbin/init
