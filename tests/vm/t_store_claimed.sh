#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2: discards succeed while another device claims the store, though the kernel then refuses to
# discard dirty pages.
# vm: --mem 320 --cpus 2
# add: tests/vm/lib.sh
# quick: 6.12
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

rounds=$(bounded 300 100)
modprobe loop
truncate -s 16M /tmp/image
loop=$(losetup -f)
losetup "$loop" /tmp/image || fail "losetup"
create "$name" "file:$loop" || fail "create"
check "another device claims the store" \
	dmsetup create claim --table "0 $(blockdev --getsz "$loop") linear $loop 0"

# Writes go to the page cache of the store, and are dirty there for a while.
for _ in $(seq "$rounds"); do
	dd if=/dev/zero of="/dev/mapper/$name" bs=64k count=32 oflag=direct conv=notrunc \
		status=none || fail "a write"
done &
writer=$!
while kill -0 $writer 2>/dev/null; do
	blkdiscard -f -o 0 -l 2M "/dev/mapper/$name" || fail "a discard"
	blkdiscard -f -z -o 1M -l 1M "/dev/mapper/$name" || fail "zeroes"
done
wait $writer || fail "the writer"
is "errors of $rounds rounds" "$(word errors)" 0
dmsetup remove claim
remove
losetup -d "$loop"
rm /tmp/image
finish
