#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P10: daemons may cut the stream anywhere, and answer in any order and on several channels.
# vm: --mem 512 --cpus 2
# add: build/tests/vm/abi/abi tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

check "ABI subtests: stream" /add/abi stream
finish
