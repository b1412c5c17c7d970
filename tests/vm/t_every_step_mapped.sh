#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P2, P4, P14: the same steps where the kernel maps the disk: nothing is lost, late or old when
# daemons fail between generations that map it and generations that use its page cache.
# vm: --mem 512 --cpus 2 --disk 16M --disk 16M --timeout 900
# kernels: 6.12 trixie backports uml-6.1 uml-6.12
# kernel-log-allow: Memory cgroup out of memory: Killed process [0-9]+ \(dmuser-
# kernel-log-allow: Out of memory and no killable processes
# kernel-log-allow: steps invoked oom-killer|Call Trace
# add: build/tests/steps/steps build/tests/vm/load tests/vm/lib.sh tests/vm/steps.sh
# add: build/tests/wb/dmuser-first-wb build/tests/wb/dmuser-second-wb
# shellcheck source=tests/vm/steps.sh
. /add/steps.sh

stride=32
[ ! -e /proc/exitcode ] || stride=$(bounded 1 4)

steps_begin extents=on
# In the exclusive order, each handover goes from one mode to the other.
steps_run -s exclusive -n "$stride"
steps_end
finish
