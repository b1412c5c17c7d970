#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P6: xfs survives mkfs, mount, churn, handover, umount and fsck.
# vm: --mem 640 --cpus 2 --disk 320M
# kernels: 6.1 6.12 trixie backports debug kcsan
# quick: 6.12
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

fs_test xfs xfs_repair -n "/dev/mapper/$name"
finish
