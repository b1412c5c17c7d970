#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1: blocked, interrupted, polled and asynchronous reads lose no request, and end with ENOTBLK.
# vm: --mem 512 --cpus 2
# quick: uml-6.12 6.1 backports
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: wait poll uring" /add/abi wait poll uring
finish
