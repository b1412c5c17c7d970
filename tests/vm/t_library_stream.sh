#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P11, P12: a program that uses only the stream of an installed libdmuser serves verified I/O
# from memory without a run directory, serves on while its device is in use, and ends with it.
# vm: --mem 512 --cpus 2
# quick: uml-6.12 6.12
# add: build/tests/vm/load build/tests/example/ramdisk
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

said=/tmp/said
device=/dev/mapper/$name

# start_ramdisk MIB: in the background as $ramdisk; wait until all its channels serve.
start_ramdisk() {
	: >$said
	/add/ramdisk "$name" "$1" 2>>$said &
	ramdisk=$!
	wait_for 60 "the ramdisk serves" word_is channels 4
	check "the ramdisk makes no run directory" [ ! -e "$run" ]
}

# ends STATUS [WORDS]: the ramdisk exits with STATUS, has printed WORDS or nothing, and leaves
# nothing.
ends() {
	wait_for 60 "the ramdisk ends" gone "$ramdisk"
	wait "$ramdisk"
	is "status of the ramdisk" $? "$1"
	is "its words" "$(cat $said)" "${2:-}"
	check "the ramdisk leaves no device" [ ! -e "$device" ]
}

# sum_of FIRST COUNT: of blocks of 64 KiB.
sum_of() {
	dd if="$device" bs=64k skip="$1" count="$2" iflag=direct status=none | sha256sum
}

zeroes() {
	head -c $(($1 * 65536)) /dev/zero | sha256sum
}

for args in '' "$name" "$name 0" "$name -1" "$name 1x" "$name 1048577" "$name 1 1" \
	"$name 99999999999999999999" "$name -18446744073709551615"; do
	# shellcheck disable=SC2086 # words
	fails_saying "usage: ramdisk NAME MIB" /add/ramdisk $args
done
fails_saying "'a/b' is no name for a device" /add/ramdisk a/b 1
fails_saying "cannot prepare: Cannot allocate memory" /add/ramdisk "$name" 1048576

start_ramdisk 48
is "bytes of the device" "$(blockdev --getsize64 "$device")" $((48 << 20))
fails_saying "device name '$name' is in use" /add/ramdisk "$name" 1
load_start
for signal in TERM INT HUP; do
	kill -$signal "$ramdisk"
	wait_for 60 "SIG$signal is refused" grep -q busy $said
	is "its words" "$(cat $said)" "ramdisk: cannot remove '$name': Device or resource busy"
	: >$said
	load_progress
done
load_stop

dd if=/dev/urandom of="$device" bs=64k count=16 oflag=direct conv=fsync status=none || fail "write"
kept=$(sum_of 12 4)
check "discard" blkdiscard -o 0 -l $((4 * 65536)) "$device"
check "write zeroes" blkdiscard -z -o $((4 * 65536)) -l $((8 * 65536)) "$device"
is "discarded and zeroed bytes" "$(sum_of 0 12)" "$(zeroes 12)"
is "the bytes behind them" "$(sum_of 12 4)" "$kept"
for key in reads writes flushes discards write_zeroes; do
	check "$key reach the ramdisk" word_at_least $key 1
done
is "errors" "$(word errors)" 0
is "unsupported" "$(word unsupported)" 0
kill -TERM "$ramdisk"
ends 0

# An administrator removes the device, under load by force.
start_ramdisk 1
check "dmsetup remove" dmsetup remove "$name"
ends 0
start_ramdisk 16
load_start -e
dmsetup remove --force "$name" >/dev/null 2>&1
wait_for 60 "the ramdisk ends" gone "$ramdisk"
wait "$ramdisk"
is "status of the ramdisk after a removal by force" $? 0
kill -TERM "$load_pid"
wait "$load_pid"
wait_for 20 "no process uses $name" unused "$name"
dmsetup remove "$name" || fail "remove the rest of the device"

start_ramdisk 1
dmsetup message "$name" 0 drain 0 || fail "drain"
ends 1 "ramdisk: cannot serve '$name': drained"

# Without the ramdisk requests fail, since the bytes are gone.
start_ramdisk 1
kill -KILL "$ramdisk"
dd if="$device" of=/dev/null bs=4096 count=1 iflag=direct 2>$said &
reader=$!
wait_for 60 "a read ends without the ramdisk" gone $reader
check "the read fails" grep -q "Input/output error" $said
check "dmsetup remove" dmsetup remove "$name"
finish
