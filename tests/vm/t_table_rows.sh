#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P12: dmsetup table prints good rows exactly, bad rows are refused by name, and status and messages
# work.
# vm: --mem 512 --cpus 2 --disk 16M
# quick: uml-6.12 6.1 backports
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# refused MESSAGE SECTORS ARGUMENTS...: DM refuses the row, and the kernel's log has MESSAGE.
refused() {
	local message=$1 sectors=$2 log
	shift 2
	! dmsetup load rows --table "0 $sectors user $*" 2>/dev/null || fail "row taken: $*"
	log=$(dmesg -c)
	[[ $log == *"user: $message"* ]] || fail "row '$*': the log has no '$message' but: $log"
	ok "refused: $*: $message"
}

# kept ARGUMENTS...: a device with the row works, and dmsetup table prints the row unchanged.
kept() {
	dmsetup create "$name" --table "0 2048 user $*" || fail "row refused: $*"
	is "table: $*" "$(dmsetup table "$name")" "0 2048 user $*"
	check "node of $3" test -c "/dev/dm-user/$3"
	dmsetup remove "$name" || fail "remove"
	[ ! -e "/dev/dm-user/$3" ] || fail "node $3 is left"
}

dmsetup create rows --notable
dmesg -c >/dev/null
three='Needs three arguments: IGNORED IGNORED CTL'
refused "$three" 2048
refused "$three" 2048 0
refused "$three" 2048 0 2048
for ctl in . .. a/b /etc '!x' 'a!b' "$(printf 'n%.0s' $(seq 128))"; do
	refused 'Invalid name of a control node' 2048 0 0 "$ctl"
done
count='Number of optional arguments does not match'
refused "$count" 2048 0 0 c 1
refused "$count" 2048 0 0 c 0 discard:on
refused "$count" 2048 0 0 c 2 discard:on
refused "$count" 2048 0 0 c x discard:on
refused "$count" 2048 0 0 c -1 discard:on
refused "$count" 2048 0 0 c 4294967297 discard:on
refused 'Unknown argument' 2048 0 0 c 1 colour:red
refused 'Unknown argument' 2048 0 0 c 1 discard
refused 'Argument given twice' 2048 0 0 c 2 discard:on discard:off
refused 'orphans: must be' 2048 0 0 c 1 orphans:
refused 'orphans: must be' 2048 0 0 c 1 orphans:requeued
refused 'nospace: must be' 2048 0 0 c 1 nospace:yes
refused 'nodaemon: must be' 2048 0 0 c 1 nodaemon:fail
refused 'nodaemon: must be' 2048 0 0 c 1 nodaemon:fail:
refused 'nodaemon: must be' 2048 0 0 c 1 nodaemon:fail:-1
refused 'nodaemon: must be' 2048 0 0 c 1 nodaemon:fail:1s
refused 'compat: must be' 2048 0 0 c 1 compat:
refused 'compat: must be' 2048 0 0 c 1 compat:Android
refused 'discard: must be' 2048 0 0 c 1 discard:yes
refused 'write_zeroes: must be' 2048 0 0 c 1 write_zeroes:1
refused 'secure_erase: must be' 2048 0 0 c 1 secure_erase:
for size in 0 256 513 1000 8192 1048576 4294967808 -512 x; do
	refused 'logical_block_size: must be' 2048 0 0 c 1 "logical_block_size:$size"
	refused 'physical_block_size: must be' 2048 0 0 c 1 "physical_block_size:$size"
done
refused 'physical_block_size is smaller' 2048 0 0 c 2 logical_block_size:4096 \
	physical_block_size:512
refused 'max_io: must be' 2048 0 0 c 1 max_io:512
refused 'max_io: must be' 2048 0 0 c 1 max_io:0
refused 'max_io: must be' 2048 0 0 c 1 max_io:16777217
refused 'max_io is not a multiple' 2048 0 0 c 2 max_io:4608 logical_block_size:4096
for number in '' 8 8:16x /dev/vda 0:0 4096:0; do
	refused 'backing: must be' 2048 0 0 c 1 "backing:$number"
done
number=$(lsblk -dno MAJ:MIN "$disk" | tr -d ' ')
itself=$(dmsetup info -c --noheadings -o major,minor rows)
refused 'backing: is the device itself' 2048 0 0 c 1 "backing:$itself"
refused 'backing: cannot be opened' 2048 0 0 c 1 backing:4095:77
refused 'mapped: must be' 2048 0 0 c 1 mapped:yes
refused 'mapped: needs extents:' 2048 0 0 c 2 mapped:on "backing:$number"
sectors=$(blockdev --getsz "$disk")
refused 'mapped: the backing device is too small' $((sectors + 8)) 0 0 c 3 mapped:on extents:on \
	"backing:$number"
mke2fs -F -q "$disk" && mount -t ext4 -o ro "$disk" /mnt || fail "mount"
refused 'backing: is in use' 2048 0 0 c 1 "backing:$number"
umount /mnt
dmsetup create "$name" --table '0 2048 user 0 0 taken' || fail "create"
refused 'Control node name is in use' 2048 0 0 taken 1 "backing:$number"
dmsetup remove "$name"
check "refused rows claim nothing" mke2fs -F -q "$disk"
refused 'Start or length is not a multiple' 2049 0 0 c 1 logical_block_size:4096

dmsetup remove rows

kept 0 0 c
kept 0 2048 some.name_with-all+of:it
kept x y c 1 orphans:fail
kept 0 0 c 8 orphans:requeue nodaemon:fail:0 discard:off write_zeroes:off secure_erase:on \
	logical_block_size:1024 physical_block_size:4096 max_io:65536
kept 0 0 c 3 nodaemon:wait nospace:wait max_io:16777216
kept 0 0 c 1 "backing:$number"
kept 0 0 c 3 mapped:on extents:1 "backing:$number"
check "a removed device claims nothing" mke2fs -F -q "$disk"
kept 0 0 c 2 orphans:requeue compat:android
kept 0 0 "$(printf 'n%.0s' $(seq 127))"

dmsetup create "$name" --table '0 2048 user 0 0 c'
words=$(dmsetup status "$name" | sed 's/^0 2048 user //' | tr ' ' '\n' | cut -d: -f1 | tr '\n' ' ')
is "status words" "$words" "queued held fenced channels generation sealed suspended daemon \
oldest_ms reads writes flushes discards secure_erases write_zeroes errors unsupported requeued \
failed refused "
exec 5<>/dev/dm-user/c
is "channels" "$(word channels)" 1
is "status of its generation" "$(dmsetup status "$name" | tr ' ' '\n' | grep ^gen:)" \
	gen:0,serving,1,0,0
check "message seal" dmsetup message "$name" 0 seal
is "sealed" "$(word sealed)" 1
! (exec 6<>/dev/dm-user/c) 2>/dev/null || fail "a sealed node was opened"
check "message unseal" dmsetup message "$name" 0 unseal
is "not sealed" "$(word sealed)" 0
check "message fail" dmsetup message "$name" 0 fail
check "message drain" dmsetup message "$name" 0 drain 0
is "drained" "$(dmsetup status "$name" | tr ' ' '\n' | grep ^gen:)" gen:0,drained,1,0,0
for bad in hello 'seal now' drain 'drain 5' 'drain x' 'drain 0 0'; do
	# shellcheck disable=SC2086 # words
	! dmsetup message "$name" 0 $bad 2>/dev/null || fail "message '$bad' taken"
done
ok "other messages are refused"
exec 5>&-
dmsetup remove "$name"

# The module's parameter applies to rows without compat:. Rows of dmuserctl always have compat:.
parameter=/sys/module/dm_user/parameters/compat
is "the parameter's default" "$(cat "$parameter")" none
echo android >"$parameter"
create "$name" "file:$disk,extents=off" || fail "create"
is "the row of dmuserctl" "$(dmsetup table "$name" | grep -o 'compat:[a-z]*')" compat:none
remove
check "create without /sys" unshare -m \
	sh -c "umount -l /sys && dmuserctl create --timeout $patience $name file:$disk"
is "the row of dmuserctl" "$(dmsetup table "$name" | grep -o 'compat:[a-z]*')" compat:none
remove
dmsetup create "$name" --table "0 2048 user 0 0 $name" || fail "a row of three arguments"
policy='.policy | [.compat, .orphans, .nodaemon, .nodaemon_ms, .write_zeroes]'
is "the policy of a row without compat:" "$(dmuserctl status --json "$name" | jq -c "$policy")" \
	'["android","fail","fail",0,false]'
dmsetup remove "$name"
! echo other >"$parameter" 2>/dev/null || fail "another value was taken"
rmmod dm-user && modprobe dm-user compat=android || fail "modprobe with the parameter"
is "the parameter after modprobe" "$(cat "$parameter")" android
finish
