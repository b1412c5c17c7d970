#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P12: the backend "file" keeps written data on files and block devices, direct and buffered, frees
# space by discards, and refuses a bad store in one line that names it, leaving nothing behind.
# vm: --mem 640 --cpus 2 --disk 64M --disk 64M
# add: /usr/bin/fallocate tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

mib=1048576

sum_of() {
	sha256sum <"$1" | cut -d' ' -f1
}

used_kib() {
	du -k "$1" | cut -f1
}

# serve SPEC: create the device on SPEC.
serve() {
	check "create on $1" create "$name" "$1"
}

# holds STORE SPEC: data written to the device is in the store when the daemon is gone.
holds() {
	local store=$1 sum zeroes
	serve "$2"
	dd if=/dev/urandom of="/dev/mapper/$name" bs=1M count=16 oflag=direct 2>/dev/null ||
		fail "write to $2"
	sync "/dev/mapper/$name" || fail "flush of $2"
	# Zeroes that keep their space, then zeroes that may free it.
	check "zero a range of $2" /add/fallocate -z -n -o $((2 * mib)) -l $mib "/dev/mapper/$name"
	check "punch a range of $2" /add/fallocate -p -o $((4 * mib)) -l $mib "/dev/mapper/$name"
	sum=$(head -c $((16 * mib)) "/dev/mapper/$name" | sum_of /dev/stdin)
	zeroes=$(dd if="/dev/mapper/$name" bs=1M skip=2 count=1 2>/dev/null | tr -d '\0' | wc -c)
	is "bytes left in the zeroed range of $2" "$zeroes" 0
	zeroes=$(dd if="/dev/mapper/$name" bs=1M skip=4 count=1 2>/dev/null | tr -d '\0' | wc -c)
	is "bytes left in the punched range of $2" "$zeroes" 0
	is "errors of $2" "$(word errors)" 0
	remove
	is "contents of $2" "$(head -c $((16 * mib)) "$store" | sum_of /dev/stdin)" "$sum"
}

# frees STORE SPEC: a discard gives the space of an image back.
frees() {
	local before
	serve "$2"
	dd if=/dev/urandom of="/dev/mapper/$name" bs=1M count=16 oflag=direct 2>/dev/null ||
		fail "write to $2"
	sync "/dev/mapper/$name" || fail "flush of $2"
	before=$(used_kib "$1")
	check "discard of $2" blkdiscard -f -o 0 -l $((8 * mib)) "/dev/mapper/$name"
	sync "/dev/mapper/$name" || fail "flush of $2"
	[ "$(used_kib "$1")" -le $((before - 8000)) ] ||
		fail "$2: $before KiB before, $(used_kib "$1") after"
	ok "a discard of $2 frees space"
	remove
}

# carries FSTYPE SPEC: a file system keeps its files when the device is removed and created again.
carries() {
	serve "$2"
	"mkfs.$1" -q "/dev/mapper/$name" || fail "mkfs.$1 on $2"
	mount -t "$1" "/dev/mapper/$name" /mnt || fail "mount $1 from $2"
	for n in $(seq 20); do
		head -c $((n * 20011)) /dev/urandom >"/mnt/$n" || fail "write to $1 on $2"
	done
	(cd /mnt && sha256sum [0-9]* >/tmp/sums)
	umount /mnt || fail "umount $1 on $2"
	remove
	serve "$2"
	mount -t "$1" "/dev/mapper/$name" /mnt || fail "mount $1 from $2 again"
	(cd /mnt && sha256sum -c /tmp/sums >/dev/null) || fail "$1 on $2: files differ"
	umount /mnt || fail "umount $1 on $2"
	remove
	ok "$1 on $2"
}

# refused WHAT WORDS SPEC: dmuser-first refuses SPEC in one line that has WORDS, and leaves nothing.
refused() {
	local said
	said=$(dmuser-first "$name" "$3" 2>&1) && fail "$1 was served"
	[ "$(wc -l <<<"$said")" = 1 ] || fail "$1: more than one line: $said"
	[[ $said == *"$2"* ]] || fail "$1: '$said' does not say '$2'"
	nothing_left "$1"
	ok "refused: $1: $said"
}

mkdir -p /mnt /store
mkfs.ext4 -q /dev/vdb && mount -t ext4 /dev/vdb /store || fail "a file system for images"
truncate -s $((32 * mib)) /store/image /tmp/image
modprobe loop
four_k=$(losetup -f)
losetup -b 4096 "$four_k" /store/image || fail "losetup"

holds "$disk" "file:$disk,direct"
holds "$four_k" "file:$four_k,direct"
serve "file:$four_k"
is "block size" "$(blockdev --getss "/dev/mapper/$name")" 4096
remove
losetup -d "$four_k"

# An image without a written byte, on 4096-byte sectors: direct reads of holes work at any offset.
truncate -s $((32 * mib)) /tmp/under
losetup -b 4096 "$four_k" /tmp/under || fail "losetup"
mkdir -p /under
mkfs.ext4 -q "$four_k" && mount -t ext4 "$four_k" /under ||
	fail "a file system of 4096-byte sectors"
truncate -s $((8 * mib)) /under/sparse
serve file:/under/sparse,direct
is "block size on a sparse image" "$(blockdev --getss "/dev/mapper/$name")" 4096
check "write to a sparse image" \
	dd if=/dev/urandom of="/dev/mapper/$name" bs=1M count=8 oflag=direct status=none
check "hand a device on a sparse image over" handover "$name"
remove
umount /under
losetup -d "$four_k"
rm /tmp/under

holds /store/image file:/store/image,buffered
holds /store/image file:/store/image,direct
frees /store/image file:/store/image
frees /tmp/image file:/tmp/image
carries ext4 file:/store/image,direct

serve "file:$disk,ro"
is "read-only" "$(blockdev --getro "/dev/mapper/$name")" 1
is "reads" "$(sum_of "/dev/mapper/$name")" "$(sum_of "$disk")"
! dd if=/dev/zero of="/dev/mapper/$name" bs=4k count=1 oflag=direct 2>/dev/null ||
	fail "a write to a read-only device succeeded"
remove

refused "no store" "cannot open '/store/none' read-write: No such file" file:/store/none
refused "a mounted device" "'/dev/vdb' is in use" file:/dev/vdb
refused "a directory" "'/store' is neither a file nor a block device" file:/store
truncate -s 0 /store/bad
refused "an empty image" "'/store/bad' is empty" file:/store/bad
truncate -s 1000000 /store/bad
refused "a truncated image" "'/store/bad', 1000000 bytes, is not a multiple" file:/store/bad
refused "a relative path" "'bad' is not an absolute path" file:bad
refused "no such backend" "unknown backend 'tape'" tape:/dev/st0
refused "no such option" "unknown option 'fast'" "file:$disk,fast"
blockdev --setro "$disk"
refused "a read-only device" "'$disk' is a read-only device (use the option ro)" "file:$disk"
blockdev --setrw "$disk"

umount /store
rm -f /tmp/image
finish
