#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P10, P11: removal always completes, and a reload keeps node, channels and data.
# vm: --mem 512 --cpus 2
# quick: uml-6.12 6.1 backports
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: removal reload" /add/abi removal reload

# What a device waits for goes with it: nothing runs in a module that is no more. When the same time is over for a
# second device, it would have been for the first.
hurry() {
	check "$1 device whose daemons have a second to come" \
		dmsetup create "$name" --table "0 64 user 0 0 $name 1 nodaemon:fail:1000"
}

hurry "a"
check "is removed" dmsetup remove "$name"
check "the module unloads" rmmod dm-user
check "and can be loaded again" modprobe dm-user
hurry "another"
! dd if="/dev/mapper/$name" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null || fail "a read without a daemon succeeded"
ok "its time is over"
check "it is removed" dmsetup remove "$name"
finish
