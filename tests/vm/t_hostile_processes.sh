#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P10, P11: channels that are forked, passed on, taken through exec or used in races do no harm,
# and the module unloads afterwards.
# vm: --mem 512 --cpus 2 --timeout 1200
# quick: uml-6.12 6.12
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: hostile-process hostile-races" /add/abi hostile-process hostile-races
# A user-mode kernel's KASAN takes a module's second load for an overflow of data of the first load.
if [ ! -e /proc/exitcode ]; then
	for round in 1 2 3; do
		check "the module unloads ($round)" rmmod dm-user
		check "the module loads" modprobe dm-user
		check "the module works" /add/abi stream.borders hostile-process.fork
	done
fi
finish
