#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P10: a daemon whose answers are cut off, too long, late, doubled or random can only harm its
# own device.
# vm: --mem 512 --cpus 2 --timeout 1200
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# A user-mode kernel logs a segfault for the SIGBUS of an unreadable mapping, which abi catches:
# kernel-log-allow: abi\[[0-9]+\]: segfault at
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: hostile hostile-answers hostile-leak" \
	/add/abi hostile hostile-answers hostile-leak
finish
