#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P7, P12: a store that is full: writes fail as "no space", or with nospace=wait they wait until there is some, and nothing else
# waits for them: no read, no handover, no restart.
# vm: --mem 1024 --cpus 2
# add: tests/vm/lib.sh
# quick: uml-6.12
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# full MIB: the store has room for so much of its 64 MiB
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
fails_saying 'No space left on device' dd if=/dev/zero of="/dev/mapper/$name" bs=1M count=16 oflag=direct
check "errors are counted" word_at_least errors 1
check "reads go on" read_some
is "nothing waits" "$(word nospace)" ''
remove
rm /store/image
truncate -s 64M /store/image

# One channel is enough: it is not taken.
create "$name" file:/store/image,nospace=wait,channels=1 || fail "create"
dd if=/dev/urandom of=/tmp/data bs=1M count=16 status=none
dd if=/tmp/data of="/dev/mapper/$name" bs=1M oflag=direct status=none &
writer=$!
wait_for 60 "a write waits" lacking
check "reads go on" read_some
is "status says so" "$(dmuserctl status --json "$name" | jq -c '[.policy.nospace, .queue.nospace > 0]')" '["wait",true]'
check "and in words" grep -q ', [0-9]* for space,' <(dmuserctl status "$name")
check "so does the log" grep -q "$name: a daemon has no space: writes wait" <(dmesg)
check "a handover" handover "$name"
check "reads go on" read_some
crash
check "a restart" handover "$name"
check "reads go on" read_some
wait_for 60 "it waits" lacking
check "the writer waits" alive $writer
full 80
wait $writer || fail "the write failed"
ok "it ends by itself when there is space"
wait_for 20 "nothing waits" word_is nospace 0
check "the log says so" grep -q "$name: there is space for all that waited" <(dmesg)
is "errors" "$(word errors)" 0
check "all of it has come" cmp -n 16777216 /tmp/data "/dev/mapper/$name"
remove
rm /store/image

# A file system that finds the store full waits with it, and is whole when there is space.
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
	check "$type: all of it is there" cmp /tmp/data /mnt/dir/file
	grep -q " /mnt $type rw," /proc/mounts || fail "$type is read-only"
	umount /mnt || fail "umount"
	check "$type: fsck says clean" "fsck.$type" -n "/dev/mapper/$name"
	is "$type: errors" "$(word errors)" 0
	remove
	rm /store/image
done
umount /store
finish
