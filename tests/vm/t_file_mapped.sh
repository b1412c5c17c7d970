#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P14, P4, P6: the kernel maps a disk by itself, also without a daemon; nothing is lost or old when
# generations that map, use the page cache and pass it by follow each other.
# vm: --mem 512 --cpus 2 --disk 64M --disk 64M
# add: tests/vm/lib.sh
# quick: 6.12
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

dev=/dev/mapper/$name
sectors=$(blockdev --getsz "$disk")

# Requests that daemons have answered.
answered() {
	local key sum=0
	for key in reads writes flushes discards write_zeroes; do
		sum=$((sum + $(word "$key")))
	done
	echo "$sum"
}

# Descriptors that the serving daemon has of the disk.
descriptors() {
	local link number
	number=$(realpath "$disk")
	for link in "/proc/$(server)/fd/"*; do
		! [ "$(realpath "$link")" = "$number" ] || echo "$link"
	done
}

# put BYTE MIB: write a MiB of that byte to the device, past its page cache.
put() {
	/usr/sbin/xfs_io -d -c "pwrite -q -S $1 -b 64k ${2}m 1m" "$dev" || fail "write $1 at $2"
}

# bytes DEVICE MIB [FLAG]: print the distinct bytes of a MiB.
bytes() {
	dd if="$1" bs=1M skip="$2" count=1 ${3:+"iflag=$3"} status=none | od -An -tu1 -w1 |
		tr -d '* \n'
}

maps() {
	word_is mapped "$sectors" && word_is clean 1
}

does_not_map() {
	is "$1: mapped" "$(word mapped)" 0
}

# Keep the kernel from writing back on its own.
echo 360000 >/proc/sys/vm/dirty_expire_centisecs
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
echo 90 >/proc/sys/vm/dirty_ratio
echo 80 >/proc/sys/vm/dirty_background_ratio

# A process has the disk open, so that its dirty pages stay in the page cache.
exec 9<"$disk"
/usr/sbin/xfs_io -c "pwrite -q -S 9 9m 1m" "$disk" || fail "a write before"
check "a disk is served" create "$name" "file:$disk"
wait_for 20 "the kernel maps the disk" maps
is "what was written before, through the page cache" "$(bytes "$dev" 9 direct)" 9
is "descriptors of the disk" "$(descriptors)" ""
before=$(answered)
put 1 1
check "fsync" /usr/sbin/xfs_io -c fsync "$dev"
blkdiscard -z -o 2M -l 1M "$dev" || fail "write zeroes"
is "a written MiB" "$(bytes "$dev" 1 direct)" 1
is "requests that a daemon has answered" "$(answered)" "$before"
check "requests that the kernel has mapped" word_at_least mapped_writes 16
is "status" "$(dmuserctl status --json "$name" | jq -c '[.mapped.sectors, .daemon.cache]')" \
	"[$sectors,\"direct\"]"

crash
put 3 3
check "fsync without a daemon" timeout 60 /usr/sbin/xfs_io -c fsync "$dev"
is "a MiB that was written without a daemon" "$(bytes "$dev" 3 direct)" 3
check "the confined stage goes on" handover "$name"
wait_for 20 "the kernel maps the disk" maps
is "descriptors of the confined stage" "$(descriptors)" ""
is "confined" "$(dmuserctl status --json "$name" | jq ".daemon.confinement | length > 5")" true

say "into the page cache and out of it"
for next in extents=off extents=on direct,extents=off buffered direct; do
	mapped=$(word mapped)
	is "the page cache of the disk has a MiB" "$(bytes "$disk" 4)" "${last:-0}"
	for last in 4 5; do
		put "$last" 4
		[ "$last" = 5 ] || handover "$name" "file:$disk,$next" >/dev/null ||
			fail "handover to $next"
		is "$mapped to $next" "$(bytes "$dev" 4 direct)" "$last"
	done
	case $next in
	extents=on | direct) wait_for 20 "the kernel maps the disk" maps ;;
	*) does_not_map "$next" ;;
	esac
	put 6 5
	check "$next: fsync" /usr/sbin/xfs_io -c fsync "$dev"
	is "$next: the disk has it" "$(bytes "$disk" 5 direct)" 6
	put 7 5
	last=5
done
sync "$disk"
is "nothing was written back late" "$(bytes "$disk" 5 direct)" 7

# The next device, and any other program, reads what the last one has written.
is "the page cache of the disk has a MiB" "$(bytes "$disk" 5)" 7
put 8 5
remove
is "the page cache of the disk after the device" "$(bytes "$disk" 5)" 8
exec 9<&-
create "$name" "file:$disk" || fail "create"
wait_for 20 "the kernel maps the disk" maps

say "another store, while the kernel maps this one"
crash
rm "$run/$name/tab" || fail "rm"
fails_saying "the table maps to" handover "$name" "file:/dev/vdb"
is "the device" "$(bytes "$dev" 5 direct)" 8
handover "$name" "file:$disk" || fail "handover to the right store"
check "a pin" dmsetup message "$name" 0 pin
is "a pin in the status" "$(dmuserctl status --json "$name" | jq .mapped.pinned)" true
fails_saying "is pinned" handover "$name" "file:$disk,buffered"
is "the daemon that stays" "$(word daemon)" 1
check "unpin" dmsetup message "$name" 0 unpin

say "what cannot be"
fails_saying "contradict each other" handover "$name" "file:$disk,buffered,extents=on"
fails_saying "extents=maybe" handover "$name" "file:$disk,extents=maybe"
truncate -s 1M /tmp/image
fails_saying "no block device" create other "file:/tmp/image,extents=on"
remove
check "a device without extents" create "$name" "file:$disk,extents=off"
is "its row" "$(dmsetup table "$name" | grep -c extents)" 0
fails_saying "was created without" handover "$name" "file:$disk,extents=on"
check "no extents where the row has none" handover "$name" "file:$disk"
is "cache" "$(dmuserctl status --json "$name" | jq -r .daemon.cache)" buffered
remove
mkfs.ext4 -q /dev/vdb && mount -t ext4 -o ro /dev/vdb /mnt || fail "mount"
fails_saying "is in use" create "$name" "file:/dev/vdb,ro,extents=on"
check "a read-only device without a claim" create "$name" "file:/dev/vdb,ro"
is "sectors that the kernel maps of it" "$(word mapped)" ""
remove
umount /mnt
check "a read-only device" create "$name" "file:$disk,ro"
wait_for 20 "the kernel maps the disk" word_is mapped "$sectors"
is "a MiB of the read-only device" "$(bytes "$dev" 3 direct)" 3
remove
finish
