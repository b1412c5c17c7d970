#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4: a daemon that others build on an installed libdmuser serves a root from the initramfs on,
# is handed over from within, and is restarted; the scripts do not know its name.
# vm: --mem 512 --cpus 2 --disk 128M
# quick: 6.12
# add: initramfs/busybox/example-init.sh build/tests/example/headed tests/vm/lib.sh
# add: tests/vm/example.sh
# shellcheck source=tests/vm/example.sh
. /add/example.sh

cp /add/headed /usr/bin/dmuser-headed
make_initramfs
cp /usr/bin/dmuser-headed "$tree/usr/bin/"
sed -i 's|file:/dev/vda|headed:/dev/vda|' "$tree/init"
grep -q headed "$tree/init" || fail "the script names another store"

printf HEADED | dd of="$disk" conv=notrunc status=none
# The root lies behind the header.
store=$disk disk=/dev/mapper/behind
dmsetup create behind --table "0 $(($(blockdev --getsz "$store") - 8)) linear $store 8" ||
	fail "the part behind the header"
make_root
cp /usr/bin/dmuser-headed "$root/usr/bin/"
umount "$root"
dmsetup remove behind
boot_survives headed
finished=1	# not finish: that root is in use until the guest is off
exit 0
