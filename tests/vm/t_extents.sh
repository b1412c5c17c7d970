#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P2, P5, P6, P7, P10, P14: the kernel maps extents to a backing device by itself, and sends
# there what a daemon's answer remaps; flushes, fences, suspends and reloads keep their promises,
# also side by side; a device that is pinned needs no daemon, and becomes dm-linear and back under
# load.
# vm: --mem 512 --cpus 2
# quick: uml-6.12 6.1 backports
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: extents" /add/abi extents
check "ABI subtests: extents and the administrator" /add/abi extents-pin
check "ABI subtests: extents, races" /add/abi extents-races
finish
