#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4: the init script in README.md, unchanged, boots a root that dm-user serves and that
# survives a handover from within and the death of its daemon.
# vm: --mem 512 --cpus 2 --disk 128M
# quick: backports
# add: initramfs/busybox/example-init.sh README.md tests/vm/lib.sh tests/vm/example.sh
# shellcheck source=tests/vm/example.sh
. /add/example.sh

# shellcheck disable=SC2016 # the backticks are Markdown
sed -n '/^```sh$/,/^```$/p' /add/README.md | sed '/^```/d' >/tmp/readme.sh
check "README.md shows this script" cmp /tmp/readme.sh /add/example-init.sh
make_initramfs
make_root
umount "$root"
boot_survives second
finished=1	# not finish: that root is in use until the guest is off
exit 0
