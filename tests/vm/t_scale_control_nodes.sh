#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P11, P12: with no number left for another control node, the row is refused and the kernel says why; one goes, one can come.
# vm: --mem 512 --cpus 2
# add: build/tests/vm/scale/scale tests/vm/lib.sh
# Linux 6.1 shows how it came to a number that is taken already.
# kernel-log-allow: Call Trace
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

dmesg -c >/dev/null
/add/scale numbers >/tmp/numbers || fail "scale numbers: $(cat /tmp/numbers)"
cat /tmp/numbers
log=$(dmesg)
if grep -q 'no number for more' /tmp/numbers; then
	[[ $log == *"user: No misc device number is left for the control node"* ]] ||
		fail "the log does not name what ran out: $log"
	ok "the log names what ran out"
elif [[ $log == *'Call Trace'* ]]; then
	fail "a trace, and there were numbers enough: $log"
fi
is "devices left by scale numbers" "$(dmsetup ls | grep -c scale)" 0
finish
