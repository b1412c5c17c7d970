#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P10: bad, vanishing and hanging memory of a daemon, and calls that it should not make, harm nobody.
# vm: --mem 512 --cpus 2 --timeout 1200
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# A kernel without 32-bit calls has no gate 0x80 to make one by.
# kernel-log-allow: traps: abi\[[0-9]+\] general protection fault ip:[0-9a-f]+ sp:[0-9a-f]+ error:[48]02
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: hostile-memory hostile-hang hostile-ioctl" /add/abi hostile-memory hostile-hang hostile-ioctl
finish
