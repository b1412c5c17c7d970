#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P8, P9: under SELinux the second stage serves in a domain of its own, and only the daemons'
# domains have access to a device.
# vm: --disk 64M
# kernels: 6.1 6.12 trixie backports
# quick: backports
# append: security=selinux
# add: build/tests/vm/load build/tests/vm/selinux build/tests/vm/selinux.policy
# add: tests/vm/lib.sh tests/vm/selinux.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh
# shellcheck source=tests/vm/selinux.sh
. /add/selinux.sh

socket=$run/$name/handover.sock
eacces=13

# errno_of COMMAND...: print the helper's exit status, which is an errno.
errno_of() {
	"$selinux" "$@"
	echo $?
}

stranger() {
	errno_of as system_u:system_r:stranger_t "$selinux" "$@"
}

create "$name" "file:$disk,direct,extents=off" || fail "create"
load_start -b "$disk"
selinux_start
is "the domain of a first stage started before the policy" "$(domain_of "$(server)")" \
	system_u:system_r:kernel_t
load_progress
is "before: a root stranger opens the node" "$(stranger open "/dev/dm-user/$name")" $eacces
is "before: a root stranger connects to the socket" "$(stranger connect "$socket")" $eacces
is "before: kernel_t opens the node, in the window" "$(errno_of open "/dev/dm-user/$name")" 0
denials_expected 2 "of strangers, before"

handover "$name" >/dev/null || fail "handover"
is "the domain of all threads" "$(domains_of "$(server)")" system_u:system_r:dmuser_second_t
is "the sealed node" "$(word sealed)" 1
load_progress
mount -o remount,noexec,nosuid /run || fail "remount"
handover "$name" "file:$disk,buffered" >/dev/null ||
	fail "handover without overlap to a daemon in a memfd"
case $(readlink "/proc/$(server)/exe") in
/memfd:*) ok "the daemon runs from a memfd" ;;
*) fail "the daemon does not run from a memfd" ;;
esac
is "its domain" "$(domains_of "$(server)")" system_u:system_r:dmuser_second_t
load_progress
no_denials "in the window"

# In the window, only the refused domain transition keeps a program without the label from serving.
cp /usr/bin/dmuser-second /tmp/dmuser-second || fail "copy"
"$selinux" label "$(object tmpfs_t)" /tmp/dmuser-second || fail "label"
old=$(server)
! handover --program /tmp/dmuser-second "$name" >/tmp/said 2>&1 ||
	fail "a program without the label serves"
denials | grep -q '{ dyntransition }' ||
	fail "the domain did not refuse a program without the label: $(cat /tmp/said)"
is "the daemon after a program without the label" "$(server)" "$old"
dmesg -c >/dev/null

window 0
dmsetup message "$name" 0 unseal || fail "unseal"
is "after: a root stranger opens the node" "$(stranger open "/dev/dm-user/$name")" $eacces
is "after: kernel_t opens the node" "$(errno_of open "/dev/dm-user/$name")" $eacces
is "after: a root stranger connects to the socket" "$(stranger connect "$socket")" $eacces
denials_expected 3 "of strangers and kernel_t, after"

handover "$name" >/dev/null || fail "handover without the window"
kill -KILL "$(server)" || fail "kill"
dmsetup message "$name" 0 unseal || fail "unseal"
handover "$name" >/dev/null || fail "restart after the death of the daemon"
is "the restarted daemon's domain" "$(domains_of "$(server)")" system_u:system_r:dmuser_second_t
load_progress
handover --program /usr/bin/dmuser-first "$name" >/dev/null || fail "handover to a first stage"
is "the domain of a first stage started now" "$(domains_of "$(server)")" \
	system_u:system_r:dmuser_first_t
load_progress
handover "$name" >/dev/null || fail "handover back"
no_denials "without the window"

load_progress
load_stop
remove
create "$name" "file:$disk,direct,extents=off" || fail "create under the policy"
is "the domain of a first stage" "$(domains_of "$(server)")" system_u:system_r:dmuser_first_t
is "a new node's label" "$("$selinux" label-of "/dev/dm-user/$name")" "$(object dmuser_device_t)"
is "a new socket's label" "$("$selinux" label-of "$socket")" "$(object dmuser_runtime_t)"
handover "$name" >/dev/null || fail "handover"
boolean dmuser_disk_io 0
fails_saying "needs the SELinux boolean dmuser_disk_io" handover "$name"
denials | grep -q 'denied  { read }' || fail "the domain may read the disk"
dmesg -c >/dev/null
remove
create "$name" "file:$disk" || fail "create with extents"
handover "$name" >/dev/null || fail "handover of a device that the kernel maps"
is "sectors that the kernel maps" "$(word mapped)" "$(blockdev --getsz "$disk")"
handover "$name" >/dev/null || fail "another handover"
is "the domain of its daemon" "$(domains_of "$(server)")" system_u:system_r:dmuser_second_t
remove
boolean dmuser_disk_io 1
no_denials "of a device made under the policy"

# At power-off: a first stage from a copy serves last, and removes the files of the device.
create "$name" "file:$disk,direct,extents=off" || fail "create for a power-off"
handover "$name" >/dev/null || fail "handover for a power-off"
handover --program /usr/bin/dmuser-first "$name" >/dev/null || fail "handover at a power-off"
remove
check "the run directory is gone" [ ! -e "/run/dm-user/$name" ]
no_denials "of a power-off"
"$selinux" set enforce 0 || fail "permissive again"
finish
