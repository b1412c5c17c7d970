#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P2, P4: requests of a closed channel, and those made while no daemon serves, end exactly once.
# vm: --mem 512 --cpus 2
# quick: uml-6.12 6.12
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: orphans compat" /add/abi orphans compat
finish
