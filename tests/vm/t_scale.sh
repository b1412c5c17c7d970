#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P2, P11: many devices, channels, requests and threads at once work, and leave nothing behind.
# vm: --mem 1024 --cpus 2 --timeout 1800
# Not kcsan: its delays would make the test take hours.
# kernels: 6.12 trixie backports debug uml-6.1 uml-6.12
# add: build/tests/vm/scale/scale tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# More rounds cost little without emulation.
threads=20 churn=100
if [ -e /proc/exitcode ]; then
	threads=$(bounded 200 40) churn=$(bounded 300 60)
fi

scale() {
	/add/scale "$@" || fail "scale $*"
	is "devices left by scale $1" "$(dmsetup ls | grep -c scale)" 0
}

scale channels
scale sleepers
scale waiting
scale fenced
scale threads "$threads"
scale churn "$churn"

finish
