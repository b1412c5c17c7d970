#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P10, P11: channels forked, passed on and taken through exec; everything at once; the module unloads after it.
# vm: --mem 512 --cpus 2 --timeout 1200
# quick: uml-6.12 6.12
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: hostile-process hostile-races" /add/abi hostile-process hostile-races
# KASAN of user-mode Linux takes a module's second load for an overflow of its first one's data.
if [ ! -e /proc/exitcode ]; then
	for round in 1 2 3; do
		check "the module unloads after that ($round)" rmmod dm-user
		check "and loads" modprobe dm-user
		check "and works" /add/abi stream.borders hostile-process.fork
	done
fi
finish
