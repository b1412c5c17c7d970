#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4, P6: a store is known by its identity, not by its name or number: a restart and a handover
# refuse another store in its place. They accept the same store when it has grown or become
# read-only, since a refusal would be a hang.
# vm: --mem 320
# add: tests/vm/lib.sh
# quick: uml-6.12
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

mib=1048576

# refused WORDS [ARGUMENT...]: a handover fails with one line that has WORDS.
refused() {
	local words=$1 said
	shift
	said=$(handover "$name" "$@" 2>&1) && fail "handed over: $*"
	[ "$(wc -l <<<"$said")" = 1 ] || fail "more than one line: $said"
	[[ $said == *"$words"* ]] || fail "'$said' does not say '$words'"
	ok "refused: $said"
}

same() {
	cmp -n "$mib" "/dev/mapper/$name" "$1" || fail "$name does not have the bytes of $1"
	ok "$name has the bytes of $1"
}

image() {
	head -c $((4 * mib)) /dev/urandom >"$1"
}

modprobe loop
image /tmp/image
image /tmp/other

create "$name" file:/tmp/image || fail "create"
fails_saying "'/tmp/image' is in use" create second file:/tmp/image
fails_saying "'/tmp/image' is in use" create second file:/tmp/image,ro
check "a handover" handover "$name"
fails_saying "'/tmp/image' is in use" create second file:/tmp/image
crash
fails_saying "/tmp/image is the store of device $name" create second file:/tmp/image
mv /tmp/image /tmp/kept
mv /tmp/other /tmp/image
refused "is not the store served last"
mv /tmp/image /tmp/other
mv /tmp/kept /tmp/image
check "a restart on the right image" handover "$name"
same /tmp/image
fails_saying "'/tmp/image' is in use" create second file:/tmp/image
mv /tmp/image /tmp/kept
mv /tmp/other /tmp/image
refused "is not the store that is served"
mv /tmp/image /tmp/other
mv /tmp/kept /tmp/image

truncate -s $((5 * mib + 700)) /tmp/image
check "a handover of a store that has grown" handover "$name"
crash
check "a restart on a store that has grown" handover "$name"
is "the device keeps its size" "$(blockdev --getsize64 "/dev/mapper/$name")" $((4 * mib))
same /tmp/image
crash
cp /tmp/image /tmp/whole
truncate -s $((3 * mib)) /tmp/image
refused "has shrunk to 3145728 bytes"
dd if=/tmp/whole of=/tmp/image bs=1M skip=3 seek=3 conv=notrunc status=none
check "a restart on a store that has its size again" handover "$name"
remove

# A loop device, which can be given another file if device-mapper does not claim it.
loop=$(losetup -f)
losetup "$loop" /tmp/image || fail "losetup"
create "$name" "file:$loop,extents=off" || fail "create on a loop device"
fails_saying "'$loop' is in use by device $name" create second "file:$loop"
fails_saying "'$loop' is in use by device $name" create second "file:$loop,ro"
fails_saying "device name '$name' is in use" create "$name" "file:$loop,extents=off"
forget_claim
crash
fails_saying "$loop is the store of device $name" create second "file:$loop"
fails_saying "$loop is the store of device $name" create second "file:$loop,ro"
losetup -d "$loop"
wait_for 20 "$loop is free" losetup "$loop" /tmp/other
refused "is not the store served last"
losetup -d "$loop"
wait_for 20 "$loop is free" losetup "$loop" /tmp/image
refused "is not the store served last"
claims_nothing
rm "$run/$name/tab"
another=$(losetup -f)
truncate -s 8M /tmp/third
losetup "$another" /tmp/third || fail "losetup"
create third "file:$another,extents=off" || fail "create a third device"
fails_saying "'$another' is in use by device third" handover "$name" "file:$another"
remove third
check "a restart on the store that the command names" handover "$name" "file:$another"
check "a handover" handover "$name"
is "the claimed store" "$(dmuserctl status --json "$name" | jq -r .policy.backing)" \
	"$(lsblk -dno MAJ:MIN "$another" | tr -d ' ')"
crash
rm "$run/$name/tab"
check "a restart on an image" handover "$name" file:/tmp/third
crash
rm "$run/$name/tab"
check "a restart on the store that the command names" handover "$name" "file:$loop"
check "a handover" handover "$name"
is "the claimed store" "$(dmuserctl status --json "$name" | jq -r .policy.backing)" \
	"$(lsblk -dno MAJ:MIN "$loop" | tr -d ' ')"
losetup -d "$another"
rm /tmp/third
same /tmp/image

# The store has become read-only.
crash
blockdev --setro "$loop"
check "a restart on a store that has become read-only" handover "$name"
same /tmp/image
! dd if=/tmp/other of="/dev/mapper/$name" bs=4k count=1 oflag=direct status=none 2>/dev/null ||
	fail "a write succeeded"
ok "a write fails"
refused "is a read-only device"
blockdev --setrw "$loop"
check "a handover when the store is writable again" handover "$name"
check "a write succeeds" \
	dd if=/tmp/other of="/dev/mapper/$name" bs=1M count=1 oflag=direct status=none
same /tmp/other
remove
losetup -d "$loop"
rm -f /tmp/image /tmp/other /tmp/whole
finish
