#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P8, P4: an attacker's code in a serving second stage gets nowhere without SELinux, and no request
# fails.
# vm: --mem 512 --cpus 2 --disk 64M --disk 16M
# kernels: 6.1 6.12 trixie backports
# quick: backports
# add: build/tests/attack/attack build/tests/attack/dmuser-attack-walls
# add: tests/vm/lib.sh tests/attack/prison.sh
# One attempt runs data as code, which is a segmentation fault.
# kernel-log-allow: dmu-serve/.* segfault at
# shellcheck source=tests/attack/prison.sh
. /add/prison.sh

prison_open
prison_serve
prison_serve_other
# tests/unit/test_syscalls.c proves that the filter kills for each call.
/add/attack seccomp -n "$(bounded 1 4)" /add/dmuser-attack-walls ||
	fail "an attempt did not end as it must"
ok "every attempt was refused, killed or harmless"
prison_close
finish
