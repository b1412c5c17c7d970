#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P5: file systems and dm-crypt above the device get the right bytes, and decompress and decrypt
# outside the daemon's system calls.
# vm: --mem 512 --cpus 2 --disk 96M --disk 96M
# kernels: 6.1 6.12 trixie backports
# quick: 6.1 backports
# add: /usr/bin/mkfs.erofs /usr/sbin/mkfs.f2fs tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

trace=/sys/kernel/tracing
[ -e "$trace/current_tracer" ] || mount -t tracefs tracefs "$trace" || fail "no tracefs"

# trace_start FUNCTION: record every call of FUNCTION with its stack.
trace_start() {
	echo nop >"$trace/current_tracer"
	echo "$1" >"$trace/set_ftrace_filter" || fail "there is no function $1"
	echo function >"$trace/current_tracer"
	echo 1 >"$trace/options/func_stack_trace"
	: >"$trace/trace"
}

trace_stop() {
	cat "$trace/trace" >/tmp/trace
	echo 0 >"$trace/options/func_stack_trace"
	echo nop >"$trace/current_tracer"
	: >"$trace/set_ftrace_filter"
}

# make_files DIRECTORY: make files of text, which is compressible, with no two equal blocks.
make_files() {
	local i
	mkdir -p "$1"
	for i in 1 2 3 4; do
		seq 60000 | sed "s/^/file $i line /" >"$1/text$i" || fail "make files"
	done
	(cd "$1" && sha256sum text?) >/tmp/sums
}

files_are_right() {
	(cd "$1" && sha256sum -c /tmp/sums) >/tmp/wrong 2>&1 ||
		fail "$2: $(grep -v ': OK$' /tmp/wrong)"
	ok "$2: the bytes are right"
}

# ---- compressed EROFS, which decompresses where the bio ends if that context may sleep ----

make_files /tmp/files
/add/mkfs.erofs -zlz4 /tmp/erofs.img /tmp/files >/tmp/mkfs 2>&1 ||
	fail "mkfs.erofs: $(cat /tmp/mkfs)"
dd if=/tmp/erofs.img of="$disk" bs=1M conv=fsync 2>/dev/null
create "$name" "file:$disk,ro" || fail "create"
mount -t erofs -o ro "/dev/mapper/$name" /mnt || fail "mount EROFS"
trace_start z_erofs_lz4_decompress
files_are_right /mnt "EROFS"
trace_stop
check "the files were decompressed" grep -q 'z_erofs_lz4_decompress' /tmp/trace
! grep -q 'dmu_channel_write\|dmu_request_answer' /tmp/trace ||
	fail "decompressed in the daemon's write(): $(grep -B 30 -m 1 dmu_ /tmp/trace)"
ok "the files were not decompressed in the daemon's write()"
umount /mnt || fail "umount"
remove

# ---- compressed f2fs ----

create "$name" "file:$disk" || fail "create"
/add/mkfs.f2fs -f -O extra_attr,compression "/dev/mapper/$name" >/tmp/mkfs 2>&1 ||
	fail "mkfs.f2fs: $(cat /tmp/mkfs)"
mount -t f2fs -o compress_algorithm=lz4,compress_extension='*' "/dev/mapper/$name" /mnt ||
	fail "mount f2fs"
make_files /mnt
sync
echo 3 >/proc/sys/vm/drop_caches
files_are_right /mnt "f2fs"
umount /mnt || fail "umount"
remove

# ---- dm-crypt without work queues, with a synchronous and an asynchronous cipher ----

crypt() {
	local key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f sectors
	local options='no_read_workqueue no_write_workqueue'
	create "$name" "file:$disk" || fail "create"
	sectors=$(blockdev --getsz "/dev/mapper/$name")
	dmsetup create crypt --table "0 $sectors crypt $1 $key 0 /dev/mapper/$name 0 2 $options" ||
		fail "dm-crypt with $1"
	fio --name=crypt --filename=/dev/mapper/crypt --direct=1 --ioengine=libaio --iodepth=8 \
		--rw=randwrite --bs=4k --size=16M --io_size=24M --verify=crc32c --verify_fatal=1 \
		--eta=never >/tmp/fio 2>&1 || fail "$1: $(tail -n 20 /tmp/fio)"
	ok "dm-crypt without work queues, $1: verified"
	dmsetup remove crypt || fail "remove the dm-crypt"
	remove
}

crypt 'capi:cbc(aes)-plain64'
# 7.3 has no cryptd any more.
if modprobe cryptd 2>/dev/null; then
	crypt 'capi:cryptd(cbc(aes-generic))-plain64'
else
	is "no cryptd, but a newer kernel" "$(uname -r | cut -d. -f1)" 7
fi
finish
