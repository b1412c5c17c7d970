#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P8: under SELinux a daemon that others build on an installed libdmuser, and whose program has the
# label of a second stage, serves in the second stage's domain.
# vm: --mem 512
# kernels: 6.1 6.12 trixie backports
# quick: backports
# append: security=selinux
# add: build/tests/vm/load build/tests/vm/selinux build/tests/vm/selinux.policy
# add: build/tests/example/headed tests/vm/lib.sh tests/vm/selinux.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh
disk=/tmp/image
# shellcheck source=tests/vm/selinux.sh
. /add/selinux.sh

truncate -s $((4096 + 33554432)) $disk
printf HEADED | dd of=$disk conv=notrunc status=none
cp /add/headed /usr/bin/dmuser-headed
create "$name" headed:$disk || fail "create"
load_start
selinux_start
"$selinux" label "$(object tmpfs_t)" /usr/bin/dmuser-headed || fail "label as any other file"
old=$(server)
! handover "$name" >/tmp/said 2>&1 || fail "a program without the label serves"
is "the daemon after a program without the label" "$(server)" "$old"
dmesg -c >/dev/null
"$selinux" label "$(object dmuser_second_exec_t)" /usr/bin/dmuser-headed || fail "label"
for round in 2 3; do
	handover "$name" >/dev/null || fail "handover $round"
	is "its domain" "$(domains_of "$(server)")" system_u:system_r:dmuser_second_t
	load_progress
done
load_stop
no_denials
remove
finish
