#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P7, P14: after SYNC no request is under way to where an extent mapped it before, so a daemon can
# move data under load; a bio that an extent cuts is whole for its client.
# vm: --mem 512 --cpus 2 --disk 16M
# kernels: 6.1 6.12 trixie backports uml-6.12
# quick: 6.12
# add: build/tests/vm/mover tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

number=$(lsblk -dno MAJ:MIN "$(realpath "$disk")" | tr -d ' ')
dmsetup create "$name" --table "0 128 user 0 0 $name 2 backing:$number extents:on" || fail "dmsetup"
said=$(/add/mover "$name" "$disk" "$(bounded 4000 400)") || fail "data was moved under a request"
ok "$said"
check "requests were mapped" word_at_least mapped_writes 1
check "requests were remapped" word_at_least remapped 1
dmsetup remove "$name" || fail "remove"
finish
