#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P2, P10: an allocation or copy that fails, in the kernel target or in a daemon, costs an error
# of that call or time, never a request.
# vm: --mem 640 --cpus 2 --disk 64M --timeout 1500
# kernels: debug uml-6.1 uml-6.12
# kernel-log-allow: FAULT_INJECTION: forcing a failure
# kernel-log-allow: Call Trace:$
# add: build/tests/vm/failures/failures build/tests/vm/load tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

debug=/sys/kernel/debug
stride=1 operations=$(bounded 500 100)
[ -e /proc/exitcode ] || stride=7	# QEMU is slow
[ -d $debug/failslab ] || mount -t debugfs debugfs $debug || fail "debugfs"

# Allow failures of every kind of memory, log one line for each, and let none happen yet.
for kind in failslab fail_page_alloc fail_usercopy; do
	[ -d $debug/$kind ] || fail "this kernel cannot do $kind"
	echo 0 >$debug/$kind/verbose
	echo 0 >$debug/$kind/probability
	[ ! -e $debug/$kind/ignore-gfp-wait ] || echo N >$debug/$kind/ignore-gfp-wait
	[ ! -e $debug/$kind/ignore-gfp-highmem ] || echo N >$debug/$kind/ignore-gfp-highmem
	[ ! -e $debug/$kind/min-order ] || echo 0 >$debug/$kind/min-order
done

# set_failures KIND PROBABILITY Y|N: fail allocations of marked tasks only (Y) or of all tasks (N).
# The calling shell must not be one of them.
set_failures() {
	echo "$3" >$debug/"$1"/task-filter
	echo -1 >$debug/"$1"/times
	echo "$2" >$debug/"$1"/probability
}

# The kernel itself leaks the name of a slab cache whose directory in sysfs it cannot make. No other
# leak is allowed.
leaks() {
	local report known
	echo scan >$debug/kmemleak
	sleep 6		# younger objects are not reported
	echo scan >$debug/kmemleak
	report=$(cat $debug/kmemleak)
	known=$(grep -c sysfs_slab_add <<<"$report")
	[ "$(grep -c '^unreferenced' <<<"$report")" = "$known" ] || fail "leaks: $report"
	echo clear >$debug/kmemleak
	ok "no leak (except $known names of slab caches, which the kernel leaks)"
}

# No lock that a daemon may need is held by a thread that waits for I/O to get memory.
locks_without_reclaim() {
	local lock
	[ -e /proc/lockdep ] || fail "no lockdep"
	for lock in dmu_registry_lock '&node->targets_lock' '&node->lock' '&channel->lock' \
		'&channel->read.mutex'; do
		grep -qF ": $lock" /proc/lockdep || fail "lockdep does not know $lock"
		awk -v lock=": $lock" '
			index($0, lock) { on = 1; next }
			/ -> / { if (on) print; next }
			{ on = 0 }' /proc/lockdep |
			grep -w fs_reclaim && fail "reclaim that waits for I/O, under $lock"
	done
	ok "no lock is held across reclaim that waits for I/O"
}

# A user-mode kernel's KASAN takes the memory of an unloaded module for its globals: load only once.
if [ ! -e /proc/exitcode ]; then
	module=$(find /lib/modules -name 'dm-user.ko' | head -n 1)
	[ -f "$module" ] || fail "no module file"
	rmmod dm-user || fail "rmmod"
	check "failures while the module is loaded and unloaded" \
		/add/failures -s "$stride" -m "$module" load-module unload-module
	modprobe dm-user || fail "modprobe"
fi
check "every allocation and copy of every call fails once" /add/failures -s "$stride"
locks_without_reclaim
set_failures failslab 100 Y
check "the reserve serves requests without memory" /add/failures -r
echo 0 >$debug/failslab/probability
leaks

# ---- the real daemons, on a file system that allocates memory, then on a disk that does not ----

# mark PID 0|1: mark all threads of the process, or none.
mark() {
	local task
	for task in "/proc/$1/task/"*; do
		echo "$2" >"$task/make-it-fail" || fail "mark $task"
	done
}

# serve_on SPEC: serve some hundreds of operations while 1 in 10 allocations of the daemon fails.
serve_on() {
	local kind pid
	create "$name" "$1" || fail "create on $1"
	load_start -p 0
	pid=$(server)
	mark "$pid" 1
	for kind in failslab fail_page_alloc; do
		set_failures $kind 10 Y
		load_progress $((operations / stride))
		echo 0 >$debug/$kind/probability
		check "$1: no error of the load while $kind fails the daemon" load_calm
	done
	mark "$pid" 0
	is "$1: it is still the same daemon" "$(server)" "$pid"
	is "$1: errors that it answered" "$(word errors)" 0
	is "$1: its channels" "$(word channels)" 4
	handover "$name" >/dev/null || fail "$1: handover afterwards"
	load_progress
	load_stop
	remove
}

mkdir -p /store
mkfs.ext4 -q "$disk" && mount -t ext4 "$disk" /store || fail "a file system for the image"
# All blocks of the image are allocated, and stay so: where ext4 has no memory to allocate a block,
# it may hit a BUG of its own (ext4_mb_use_inode_pa(), seen in 6.12).
dd if=/dev/zero of=/store/image bs=1M count=32 conv=fsync status=none || fail "the image"
serve_on file:/store/image,direct,discard=off,write_zeroes=off
serve_on file:/store/image,buffered,discard=off,write_zeroes=off
umount /store

# ---- all tasks, kernel threads too, except init and this shell, which could not go on ----

create "$name" "file:$disk,direct,extents=off" || fail "create"
load_start -e -p 0
for task in /proc/[0-9]*/task/*; do
	case $task in
	*/1 | */$$) ;;
	*) echo 1 >"$task/make-it-fail" ;;
	esac
done 2>/dev/null
before=$(load_word ops)
set_failures failslab 2 Y
wait_for 240 "the load goes on while allocations fail for all" \
	load_past ops $((before + 4 * operations / stride))
echo 0 >$debug/failslab/probability
is "all tasks: errors that the daemon answered" "$(word errors)" 0
is "all tasks: requests that failed" "$(word failed)" 0
is "all tasks: channels" "$(word channels)" 4
load_stop
remove
leaks
finish
