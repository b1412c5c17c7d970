#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P8, P4: an attacker's code in the second stage's SELinux domain gets nowhere, neither behind this
# wall alone nor behind both walls.
# vm: --mem 512 --cpus 2 --disk 64M --disk 16M
# kernels: 6.1 6.12 trixie backports
# quick: 6.1
# append: security=selinux
# add: build/tests/attack/attack build/tests/attack/dmuser-attack-selinux
# add: build/tests/attack/dmuser-attack-walls build/tests/vm/selinux build/tests/vm/selinux.policy
# add: tests/vm/lib.sh tests/attack/prison.sh tests/vm/selinux.sh
# One attempt runs data as code, which is a segmentation fault.
# kernel-log-allow: dmu-serve/.* segfault at
# shellcheck source=tests/attack/prison.sh
. /add/prison.sh
# shellcheck source=tests/vm/selinux.sh
. /add/selinux.sh

prison_open
prison_serve
disk=/dev/vda1
selinux_start
"$selinux" label "$(object dmuser_second_exec_t)" /add/dmuser-attack-selinux \
	/add/dmuser-attack-walls || fail "label"
"$selinux" label "$(object dmuser_store_t)" /dev/vdb || fail "label"
handover t >/tmp/said || fail "handover from the first stage, which is kernel_t"
window 0
prison_serve_other
/add/attack selinux /add/dmuser-attack-selinux ||
	fail "an attempt did not end as it must under SELinux alone"
is "the daemon's domain" "$(domains_of "$(server t)")" system_u:system_r:dmuser_second_t
ok "SELinux alone refused every attempt that it must refuse"
/add/attack both /add/dmuser-attack-walls ||
	fail "an attempt did not end as it must behind both walls"
is "the daemon's domain" "$(domains_of "$(server t)")" system_u:system_r:dmuser_second_t
ok "every attempt that the filter lets pass was refused or harmless"
prison_close
"$selinux" set enforce 0 || fail "permissive again"
finish
