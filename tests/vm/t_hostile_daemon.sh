#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P10: a daemon that misbehaves harms nobody but its own device.
# vm: --mem 512 --cpus 2
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: hostile" /add/abi hostile
finish
