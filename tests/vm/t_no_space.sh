#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P7, P12: when the store is full, writes fail with "no space", or with nospace=wait they wait
# for space, and no read, handover or restart waits for them.
# vm: --mem 1024 --cpus 2
# add: tests/vm/lib.sh
# quick: uml-6.12
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# full MIB: limit the file system of the store to MIB.
full() {
	mount -o "remount,size=${1}m" /store || fail "remount"
}

lacking() {
	word_at_least nospace 1
}

read_some() {
	dd if="/dev/mapper/$name" of=/dev/null bs=64k count=16 iflag=direct status=none
}

mkdir /store
mount -t tmpfs -o size=8m none /store || fail "mount"
truncate -s 64M /store/image

create "$name" file:/store/image || fail "create"
fails_saying 'No space left on device' \
	dd if=/dev/zero of="/dev/mapper/$name" bs=1M count=16 oflag=direct
check "errors are counted" word_at_least errors 1
check "reads go on" read_some
is "nothing waits" "$(word nospace)" ''
remove
rm /store/image
truncate -s 64M /store/image

# A single channel shows that a waiting write occupies none.
create "$name" file:/store/image,nospace=wait,channels=1 || fail "create"
dd if=/dev/urandom of=/tmp/data bs=1M count=16 status=none
dd if=/tmp/data of="/dev/mapper/$name" bs=1M oflag=direct status=none &
writer=$!
wait_for 60 "a write waits" lacking
check "reads go on" read_some
is "policy and waiting in the status" \
	"$(dmuserctl status --json "$name" | jq -c '[.policy.nospace, .queue.nospace > 0]')" \
	'["wait",true]'
check "the status says it in words" grep -q ', [0-9]* for space,' <(dmuserctl status "$name")
check "the log says it" grep -q "$name: a daemon has no space: writes wait" <(dmesg)
check "a handover" handover "$name"
check "reads go on" read_some
crash
check "a restart" handover "$name"
check "reads go on" read_some
wait_for 60 "the write waits" lacking
check "the writer waits" alive $writer
full 80
wait $writer || fail "the write failed"
ok "the write ends when there is space"
wait_for 20 "nothing waits" word_is nospace 0
check "the log tells of it" grep -q "$name: there is space for all that waited" <(dmesg)
is "errors" "$(word errors)" 0
check "all data has arrived" cmp -n 16777216 /tmp/data "/dev/mapper/$name"
remove
rm /store/image

# A file system waits when the store is full, and is intact when there is space.
for type in ext4 xfs btrfs; do
	modprobe -q $type
	grep -q "\b$type\$" /proc/filesystems || continue
	full 600
	truncate -s 400M /store/image
	create "$name" file:/store/image,nospace=wait || fail "create"
	"mkfs.$type" "/dev/mapper/$name" >/tmp/mkfs 2>&1 || fail "mkfs.$type: $(cat /tmp/mkfs)"
	mount -t $type "/dev/mapper/$name" /mnt || fail "mount"
	sync
	full $(($(du -m /store/image | cut -f1) + 4))
	(mkdir /mnt/dir && dd if=/tmp/data of=/mnt/dir/file bs=1M conv=fsync status=none && sync) &
	writer=$!
	wait_for 60 "$type waits" lacking
	check "$type: a handover" handover "$name"
	check "$type: the writer waits" alive $writer
	full 600
	wait $writer || fail "$type: the writer failed"
	check "$type: all data is there" cmp /tmp/data /mnt/dir/file
	grep -q " /mnt $type rw," /proc/mounts || fail "$type is read-only"
	umount /mnt || fail "umount"
	check "$type: fsck says clean" "fsck.$type" -n "/dev/mapper/$name"
	is "$type: errors" "$(word errors)" 0
	remove
	rm /store/image
done
umount /store
finish
