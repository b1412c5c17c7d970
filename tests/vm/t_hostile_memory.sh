#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P10: a daemon whose memory is bad, vanishes or hangs, or that makes forbidden calls, can only harm
# its own device.
# vm: --mem 512 --cpus 2 --timeout 1200
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# A 32-bit call by int 0x80 is a general protection fault in a kernel without 32-bit calls:
# kernel-log-allow: traps: abi\[[0-9]+\] general protection fault ip:[0-9a-f]+ sp:[0-9a-f]+ error:[48]02
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: hostile-memory hostile-hang hostile-ioctl" \
	/add/abi hostile-memory hostile-hang hostile-ioctl
finish
