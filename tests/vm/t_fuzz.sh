#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P10: whatever daemons and administrators do, in whatever order, each request ends once and with the right data
# vm: --mem 512 --cpus 2
# add: build/tests/fuzz/fuzz tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# The runs that count are longer and have other seeds: make fuzz.
seed=20260101 ops=10000
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
if [ -e /proc/exitcode ]; then
	ops=20000
elif [ -d /sys/kernel/debug/failslab ]; then
	ops=4000
fi
# Below its first line it describes its programs, which is only for a replay.
/add/fuzz --seed "$seed" --ops "$ops" >/tmp/fuzz
status=$?
grep -avE '^(epoch|corpus|so far)' /tmp/fuzz | sed 's/^/# /'
[ "$status" = 0 ] || cat /tmp/fuzz
is "the fuzzer's verdict" "$status" 0
check "it ran to its end" grep -q '^fuzz: done: ' /tmp/fuzz
finish
