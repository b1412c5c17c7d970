#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# /init of an initramfs that has busybox, dmuserctl with its libraries, dmuser-watch, a daemon and
# the module dm-user. The daemon serves the root from /dev/vda; dmuser-watch restarts a dead one.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run

modprobe dm-user &&
	dmuserctl create root file:/dev/vda &&
	dmuser-watch root &&
	mount -t ext4 -o rw /dev/mapper/root /mnt || exec sh

for dir in dev proc sys run; do
	mount -o move "/$dir" "/mnt/$dir"
done
exec switch_root /mnt /sbin/init
