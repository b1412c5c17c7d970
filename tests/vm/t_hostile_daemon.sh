#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P10: a daemon whose answers are cut off, too long, late, doubled or random harms nobody but its own device.
# vm: --mem 512 --cpus 2 --timeout 1200
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# On user-mode Linux also the SIGBUS of a mapping that cannot be read, which is caught, is called that:
# kernel-log-allow: abi\[[0-9]+\]: segfault at
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: hostile hostile-answers hostile-leak" /add/abi hostile hostile-answers hostile-leak
finish
