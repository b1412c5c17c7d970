#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P8, P9: under SELinux the second stage serves in a domain of its own, and only the daemons' domains get at a device.
# vm: --disk 64M
# kernels: 6.1 6.12 trixie backports
# quick: backports
# append: security=selinux
# add: build/tests/vm/load build/tests/vm/selinux tests/vm/lib.sh tests/vm/selinux.sh build/tests/vm/selinux.policy
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh
# shellcheck source=tests/vm/selinux.sh
. /add/selinux.sh

socket=$run/$name/handover.sock
eacces=13

# errno_of COMMAND...: what the helper exits with.
errno_of() {
	"$selinux" "$@"
	echo $?
}

stranger() {
	errno_of as system_u:system_r:stranger_t "$selinux" "$@"
}

create "$name" "file:$disk,direct" || fail "create"
load_start -b "$disk"
selinux_start
is "the first stage's domain, started before the policy" "$(domain_of "$(server)")" system_u:system_r:kernel_t
load_progress
is "the node before: a stranger, root" "$(stranger open "/dev/dm-user/$name")" $eacces
is "the socket before: a stranger, root" "$(stranger connect "$socket")" $eacces
is "the node before: kernel_t, in the window" "$(errno_of open "/dev/dm-user/$name")" 0
denials_expected 2 "of strangers, before"

handover "$name" >/dev/null || fail "handover"
is "the domain of all threads" "$(domains_of "$(server)")" system_u:system_r:dmuser_second_t
is "the sealed node" "$(word sealed)" 1
load_progress
mount -o remount,noexec,nosuid /run || fail "remount"
handover "$name" "file:$disk,buffered" >/dev/null || fail "handover to one in memory, not overlapped"
case $(readlink "/proc/$(server)/exe") in
/memfd:*) ok "it runs from memory" ;;
*) fail "it does not run from memory" ;;
esac
is "its domain" "$(domains_of "$(server)")" system_u:system_r:dmuser_second_t
load_progress
no_denials "in the window"

# In the window nothing but the domain that it is in is in its way.
cp /usr/bin/dmuser-second /tmp/dmuser-second || fail "copy"
"$selinux" label "$(object tmpfs_t)" /tmp/dmuser-second || fail "label"
old=$(server)
! handover --program /tmp/dmuser-second "$name" >/tmp/said 2>&1 || fail "a program without the label serves"
denials | grep -q '{ dyntransition }' || fail "a program without the label was not kept from the domain: $(cat /tmp/said)"
is "who serves after one without the label" "$(server)" "$old"
dmesg -c >/dev/null

window 0
dmsetup message "$name" 0 unseal || fail "unseal"
is "the node after: a stranger, root" "$(stranger open "/dev/dm-user/$name")" $eacces
is "the node after: kernel_t" "$(errno_of open "/dev/dm-user/$name")" $eacces
is "the socket after: a stranger, root" "$(stranger connect "$socket")" $eacces
denials_expected 3 "of strangers and kernel_t, after"

handover "$name" >/dev/null || fail "handover without the window"
kill -KILL "$(server)" || fail "kill"
dmsetup message "$name" 0 unseal || fail "unseal"
handover "$name" >/dev/null || fail "takeover of a dead one's device"
is "the taker's domain" "$(domains_of "$(server)")" system_u:system_r:dmuser_second_t
load_progress
handover --program /usr/bin/dmuser-first "$name" >/dev/null || fail "handover to a first stage"
is "the domain of a first stage started now" "$(domains_of "$(server)")" system_u:system_r:dmuser_first_t
load_progress
handover "$name" >/dev/null || fail "handover back"
no_denials "without the window"

load_progress
load_stop
remove
create "$name" "file:$disk,direct" || fail "create under the policy"
is "the domain of a first stage" "$(domains_of "$(server)")" system_u:system_r:dmuser_first_t
is "a new node's label" "$("$selinux" label-of "/dev/dm-user/$name")" "$(object dmuser_device_t)"
is "a new socket's label" "$("$selinux" label-of "$socket")" "$(object dmuser_runtime_t)"
handover "$name" >/dev/null || fail "handover"
remove
no_denials "of a device made under the policy"
"$selinux" set enforce 0 || fail "permissive again"
finish
