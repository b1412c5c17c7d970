#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P6, P10: every type of request reaches the daemon unaltered, and every answer has its effect.
# vm: --mem 512 --cpus 2
# quick: uml-6.12 6.1 backports
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: requests answers" /add/abi requests answers
finish
