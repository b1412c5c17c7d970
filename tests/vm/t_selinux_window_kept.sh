#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P9: after a handover that failed the policy's window stays open for the first stage, and closes after one that did not.
# vm: --disk 64M
# kernels: 6.1 6.12 trixie backports
# quick: 6.12
# append: security=selinux
# add: build/tests/vm/load build/tests/vm/selinux tests/vm/lib.sh tests/vm/selinux.sh build/tests/vm/selinux.policy
# add: initramfs/systemd/close-window
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh
# shellcheck source=tests/vm/selinux.sh
. /add/selinux.sh

# Debian's setsebool, as far as close-window uses it.
setsebool() {
	[ "$1 $2" = "dmuser_window off" ] && window 0
}

window_is() {
	cut -d' ' -f1 /sys/fs/selinux/booleans/dmuser_window
}

# A function is no program: "exec setsebool" is a call in this copy.
close_window() {
	(eval "$(sed 's/^exec //' /add/close-window)") >/tmp/said 2>&1
}

create "$name" "file:$disk,direct" || fail "create"
load_start -b "$disk"
selinux_start
first=$(server)
is "the first stage's domain, started before the policy" "$(domain_of "$first")" system_u:system_r:kernel_t

! handover --program /bin/false "$name" >/tmp/said 2>&1 || fail "a handover to nothing"
is "who serves after a handover that failed" "$(server)" "$first"
! close_window || fail "the window closes while the first stage serves"
grep -q "process $first still serves" /tmp/said || fail "who is in the way: $(cat /tmp/said)"
ok "the window is not closed, and it is said for whom"
is "the window" "$(window_is)" 1
load_progress

handover "$name" >/dev/null || fail "handover"
close_window || fail "the window does not close: $(cat /tmp/said)"
is "the window after a handover" "$(window_is)" 0
load_progress
load_stop
no_denials
remove
finish
