#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P10, P11: removal always completes, and a reload keeps node, channels and data.
# vm: --mem 512 --cpus 2
# quick: uml-6.12 6.1 backports
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: removal reload" /add/abi removal reload
finish
