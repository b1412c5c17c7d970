#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P11: hundreds of control nodes come and go, on every kernel, and leave nothing behind.
# vm: --mem 512 --cpus 2
# quick: backports
# add: build/tests/vm/scale/scale tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "300 control nodes, twice" /add/scale numbers
is "devices left" "$(dmsetup ls | grep -c scale)" 0
is "control nodes left" "$(find /dev/dm-user -type c 2>/dev/null | wc -l)" 0
finish
