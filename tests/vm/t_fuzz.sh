#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P10: under random actions of daemons and administrators, in random order, each request ends
# once and with the right data.
# vm: --mem 512 --cpus 2
# add: build/tests/fuzz/fuzz tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# make fuzz runs longer, with other seeds.
seed=20260101 ops=10000
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
if [ -e /proc/exitcode ]; then
	ops=20000
elif [ -d /sys/kernel/debug/failslab ]; then
	ops=4000
fi
# Lines that describe the fuzzer's programs are for a replay only: show them only if it fails.
/add/fuzz --seed "$seed" --ops "$ops" >/tmp/fuzz
status=$?
grep -avE '^(epoch|corpus|so far)' /tmp/fuzz | sed 's/^/# /'
[ "$status" = 0 ] || cat /tmp/fuzz
is "the fuzzer's verdict" "$status" 0
check "the fuzzer ran to its end" grep -q '^fuzz: done: ' /tmp/fuzz
finish
