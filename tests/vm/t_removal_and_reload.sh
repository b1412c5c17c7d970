#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P10, P11: a removal always completes, and a reload keeps node, channels and data.
# vm: --mem 512 --cpus 2
# quick: uml-6.12 6.1 backports
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: removal reload" /add/abi removal reload

# A removal cancels the device's timer, which must not run in an unloaded module. When the timer of
# a second device has expired, that of the first would have, too.
hurry() {
	check "$1 device waits 1 s for a daemon" \
		dmsetup create "$name" --table "0 64 user 0 0 $name 1 nodaemon:fail:1000"
}

hurry "the first"
check "the first device is removed" dmsetup remove "$name"
check "the module unloads" rmmod dm-user
check "the module can be loaded again" modprobe dm-user
hurry "the second"
! dd if="/dev/mapper/$name" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null ||
	fail "a read without a daemon succeeded"
ok "the second device fails a read"
check "the second device is removed" dmsetup remove "$name"
finish
