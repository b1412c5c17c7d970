#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P6: btrfs survives mkfs, mount, churn, handover, umount and fsck.
# vm: --mem 640 --cpus 2 --disk 192M
# kernels: 6.1 6.12 trixie backports debug kcsan
# quick: backports
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

fs_test btrfs btrfs check "/dev/mapper/$name"
finish
