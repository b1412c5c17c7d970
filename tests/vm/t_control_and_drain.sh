#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4, P8, P9, P10: info, join, drain with undo, seal and descriptor passing keep their promises.
# vm: --mem 512 --cpus 2
# quick: uml-6.12 6.1 backports
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: control drain" /add/abi control drain
finish
