#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P6, P7: a suspend, flushing or not, with any daemon, loses no request, and lets no request
# overlap a revoked write.
# vm: --mem 512 --cpus 2
# quick: uml-6.12 6.1 backports
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: suspend" /add/abi suspend
finish
