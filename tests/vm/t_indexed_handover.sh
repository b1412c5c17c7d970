#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4, P6: a backend whose index is on its store reads it anew in each generation: after
# handovers, rollbacks and deaths no byte is wrong, and no line tells of a loss.
# vm: --mem 512 --cpus 2 --disk 64M --timeout 1800
# quick: 6.12
# add: build/tests/vm/load build/tests/wb/dmuser-first-wb build/tests/wb/dmuser-second-wb
# add: tests/vm/lib.sh tests/vm/wb.sh
# shellcheck source=tests/vm/wb.sh
. /add/wb.sh

begins() {
	dmesg | grep -c "indexed: begin=$1\$"
}

# ---- handovers: always exclusive, and the newcomer serves only when the old daemon is dead ----

wb_create indexed
is "begun as the first" "$(begins first)" 1
load_start
for n in 2 3 4 5; do
	load_progress
	if [ $((n % 2)) = 0 ]; then program=$wb_second; else program=$wb_first; fi
	wb_take "$program" || fail "handover $n: $(cat /tmp/said)"
	is "generation" "$(generation)" "$n"
done
load_progress
is "begun where the old daemon had stopped" "$(begins import)" 4
is "handovers without overlap" "$(dmesg | grep -c 'event=offer .*order=exclusive')" 4

# ---- a newcomer dies when it has begun, before TAKEN: the old daemon serves on ----

old=$(server)
strace -f -qq -o /tmp/strace -e trace=sendmsg -e "inject=sendmsg:signal=KILL:when=3" \
	"$wb_first" --takeover --timeout "$patience" "$name" >/tmp/said 2>&1 &&
	fail "the newcomer is not killed"
wb_serves_on "$old" "killed after its begin"
is "begun where the old daemon had stopped" "$(begins import)" 5

# ---- deaths ----

for round in 1 2; do
	load_progress
	kill_server
	wb_second || fail "restart $round: $(cat /tmp/said)"
	load_progress
	load_calm || fail "restart $round: $(cat "$load_file")"
done
! dmesg | grep 'dmuser-' | grep -v 'begin=lost' | grep lost || fail "a line tells of a loss"
load_stop

# ---- an answer is not flushed ----

before=$(begins lost)
dd if=/dev/zero of="/dev/mapper/$name" bs=4096 count=1 oflag=direct conv=notrunc 2>/dev/null ||
	fail "write"
kill_server
wb_second || fail "restart: $(cat /tmp/said)"
is "begun after a death with an answer that is not flushed" "$(begins lost)" $((before + 1))

# ---- nothing is unflushed: the next generation begins as the first does ----

sync "/dev/mapper/$name" && xfs_io -c fsync "/dev/mapper/$name" >/dev/null || fail "flush"
before=$(begins first)
kill_server
wb_second || fail "restart: $(cat /tmp/said)"
is "begun as the first" "$(begins first)" $((before + 1))

# ---- a file system that is synced, whose last write is a commit with FUA ----

mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "/dev/mapper/$name" || fail "mkfs.ext4"
mount -t ext4 -o commit=300 "/dev/mapper/$name" /mnt || fail "mount"
echo kept >/mnt/file && sync /mnt/file || fail "sync"
before=$(begins first)
kill_server
wb_second || fail "restart: $(cat /tmp/said)"
is "begun as the first, with a file system that is synced" "$(begins first)" $((before + 1))
umount /mnt || fail "umount"

# ---- the load detects an index that is not read anew ----

# The old daemon writes between the newcomer's open and its begin.
stale() {
	INDEXED_FAULT="stale" wb_second || fail "handover: $(cat /tmp/said)"
	[ "$(load_word wrong)" -gt 0 ] || [ "$(load_word errors)" -gt 0 ]
}

load_start -d
wait_for 120 "a stale index gives wrong bytes" stale
kill -TERM "$load_pid"
wait "$load_pid" && fail "the load has not noticed"
ok "with a stale index, bytes are wrong: $(tr -s ' 0' ' 0' <"$load_file")"
remove
finish
