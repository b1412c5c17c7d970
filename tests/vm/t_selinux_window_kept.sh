#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P9: the policy's window stays open for the first stage after a failed handover, and closes
# after a successful handover.
# vm: --disk 64M
# kernels: 6.1 6.12 trixie backports
# quick: 6.12
# append: security=selinux
# add: build/tests/vm/load build/tests/vm/selinux build/tests/vm/selinux.policy
# add: initramfs/systemd/close-window tests/vm/lib.sh tests/vm/selinux.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh
# shellcheck source=tests/vm/selinux.sh
. /add/selinux.sh

# Stand in for Debian's setsebool, as far as close-window uses it.
setsebool() {
	[ "$1 $2" = "dmuser_window off" ] && window 0
}

window_is() {
	cut -d' ' -f1 /sys/fs/selinux/booleans/dmuser_window
}

# In a copy without exec: exec cannot run the function setsebool.
close_window() {
	(eval "$(sed 's/^exec //' /add/close-window)") >/tmp/said 2>&1
}

create "$name" "file:$disk,direct,extents=off" || fail "create"
load_start -b "$disk"
selinux_start
first=$(server)
is "the domain of a first stage started before the policy" "$(domain_of "$first")" \
	system_u:system_r:kernel_t

! handover --program /bin/false "$name" >/tmp/said 2>&1 || fail "handover to /bin/false succeeded"
is "the daemon after a failed handover" "$(server)" "$first"
! close_window || fail "the window closes while the first stage serves"
grep -q "process $first still serves" /tmp/said || fail "close-window: $(cat /tmp/said)"
ok "close-window keeps the window open, and names the first stage"
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
