#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P6: ext4 survives mkfs, mount, churn, handover, umount and fsck.
# vm: --mem 512 --cpus 2 --disk 64M
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

fs_test ext4 e2fsck -fn "/dev/mapper/$name"
finish
