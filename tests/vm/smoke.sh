#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# On any kernel that the module builds for: a table, verified I/O with two handovers, removal. It is
# not part of `make test`: see tests/vm/kernels.
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

create "$name" "file:$disk" || fail "create"
is "the table" "$(dmsetup table "$name" | cut -d' ' -f1-3)" "0 $(blockdev --getsz "$disk") user"
load_start -b "$disk"
for cache in direct buffered; do
	handover "$name" "file:$disk,$cache" >/dev/null || fail "handover"
	load_progress 3
done
is "the generation after two handovers" "$(generation)" 3
load_calm || fail "load: $(cat "$load_file")"
load_stop
check "discard" blkdiscard "/dev/mapper/$name"
check "write zeroes" blkdiscard --zeroout --length 1M "/dev/mapper/$name"
is "errors that daemons answered" "$(word errors)" 0
is "requests that failed" "$(word failed)" 0
remove
finish
