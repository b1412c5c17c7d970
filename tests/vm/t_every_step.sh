#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P2, P4: at every step of a handover, of the serve loop and of a start, either daemon may be
# killed, stopped, told to end, left without memory, cut off, made to talk nonsense or chosen by the
# OOM killer, and the device may be removed.
# vm: --mem 512 --cpus 2 --disk 16M --disk 16M --timeout 900
# kernels: 6.12 trixie backports uml-6.1 uml-6.12
# kernel-log-allow: Memory cgroup out of memory: Killed process [0-9]+ \(dmuser-
# kernel-log-allow: Out of memory and no killable processes
# kernel-log-allow: steps invoked oom-killer|Call Trace
# add: build/tests/steps/steps build/tests/vm/load tests/vm/lib.sh tests/vm/steps.sh
# add: build/tests/wb/dmuser-first-wb build/tests/wb/dmuser-second-wb
# shellcheck source=tests/vm/steps.sh
. /add/steps.sh

# DMUSER_APPEND=steps=OPTION,OPTION... on the kernel's command line passes options to tests/steps.
options=$(sed -n 's/.*\bsteps=\([^ ]*\).*/\1/p' /proc/cmdline)
# All steps take a quarter of an hour on a user-mode kernel, and longer on others.
stride=64
[ ! -e /proc/exitcode ] || stride=$(bounded 8 24)
[ -n "$options" ] || options=-n,$stride

steps_begin direct,extents=off
# shellcheck disable=SC2086 # words
steps_run ${options//,/ }
steps_end
finish
