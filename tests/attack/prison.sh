# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions of the attack tests, sourced in the guest. The store is a partition. The rest of its
# disk, another device, files and processes must not change.
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

prison_open() {
	# Each kill has a record in the log, and none may be dropped.
	echo 0 >/proc/sys/kernel/printk_ratelimit
	mkdir -p /tmp/attack
	echo '/tmp/attack/core.%p' >/proc/sys/kernel/core_pattern
	echo 0 >/proc/sys/fs/suid_dumpable
	ulimit -c unlimited
	echo canary >/tmp/attack/canary
	echo 'root:secret:1::::::' >/etc/shadow
	chmod 600 /etc/shadow

	# Known bytes before the store, behind it, and at the end of the disk.
	tr '\0' '\245' </dev/zero | dd of=/tmp/foreign bs=1M count=2 iflag=fullblock 2>/dev/null
	for mib in 0 34 62; do
		dd if=/tmp/foreign of=/dev/vda bs=1M seek="$mib" 2>/dev/null
	done
	# A partition table with one partition, 32 MiB at 2 MiB.
	printf '\0\0\0\0\203\0\0\0\0\020\0\0\0\0\001\0' |
		dd of=/dev/vda bs=1 seek=446 conv=notrunc 2>/dev/null
	dd if=/dev/zero of=/dev/vda bs=1 seek=462 count=48 conv=notrunc 2>/dev/null
	printf '\125\252' | dd of=/dev/vda bs=1 seek=510 conv=notrunc 2>/dev/null
	sync
	blockdev --rereadpt /dev/vda || fail "partitions"
	wait_for 20 "there is a partition" test -b /dev/vda1
	is "the store's size" "$(blockdev --getsize64 /dev/vda1)" $((32 << 20))
}

# Create the device that the attacker will serve, and another device. The attacker is to have the
# store, and to get requests: the kernel must not map it.
prison_serve() {
	create t file:/dev/vda1,direct,extents=off || fail "create t"
}

prison_serve_other() {
	create other file:/dev/vdb || fail "create other"
}

# Hand over from the attacker to an installed second stage, and check data and counters.
prison_close() {
	handover t >/tmp/said || fail "handover to the installed second stage"
	ok "the installed second stage takes over from the attacker"
	check "the installed second stage is confined" \
		test "$(dmuserctl status --json t | jq '.daemon.confinement | length')" -gt 3
	check "the data of every attempt is there" /add/attack verify
	is "requests that failed" "$(word failed t)" 0
	is "errors" "$(word errors t)" 0
	check "requests outlived daemons: $(word requeued t)" word_at_least requeued 1
	is "errors of the other device" "$(word errors other)" 0
	pkill -x victim
	remove t
	remove other
}
