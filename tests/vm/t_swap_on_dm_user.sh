#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P2, P4, P5: pages swapped to the served device keep their bytes through a handover and the
# death of the daemon.
# vm: --mem 384 --cpus 1 --disk 1G --timeout 900
# kernels: 6.12 trixie backports debug
# quick: backports
# add: build/tests/vm/hog build/tests/vm/relaunch tests/vm/lib.sh tests/vm/memory.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh
# shellcheck source=tests/vm/memory.sh
. /add/memory.sh

# swapped_in PAGES: counts pages; a request may be for several pages, more on newer kernels.
swapped_in() {
	[ "$(vm_count pswpin)" -ge "$1" ]
}

# swapping_goes_on WHAT: every hog checks and writes more pages, some of which come back from swap.
swapping_goes_on() {
	local in out
	in=$(vm_count pswpin) out=$(vm_count pswpout)
	hogs_go_on "$1" "$pages"
	await 180 "$1: pages are swapped in" swapped_in $((in + pages))
	ok "$1: $(($(vm_count pswpin) - in)) pages swapped in, $(($(vm_count pswpout) - out)) out"
}

memory_prepare
create "$name" "file:$disk,direct,extents=off" || fail "create"
mkswap "/dev/mapper/$name" >/dev/null || fail "mkswap"
swapon "/dev/mapper/$name" || fail "swapon"
pages=200
# The initramfs can be swapped, too, and 7.3 swaps it before the hogs.
mib=$((($(kib MemAvailable) + $(kib Shmem)) * 11 / 10 / 2 / 1024))
say "$(kib MemTotal) KiB of memory, $(kib MemAvailable) available, $(kib Shmem) in tmpfs," \
	"2 hogs of $mib MiB"
hog_start "$mib"
hog_start "$mib"
await 180 "the hogs have filled their memory" hogs_past filled $((mib * 256))
swapping_goes_on "one daemon"

generation=1
for what in handover death; do
	generation=$((generation + 1))
	if [ $what = handover ]; then
		handover "$name" >/dev/null || fail "handover"
	else
		daemon_dies 300
	fi
	is "generation after a $what" "$(word generation)" "$generation"
	swapping_goes_on "after a $what"
done
say "$(word requeued) orphans, $(word writes) writes and $(word reads) reads"
is "errors" "$(word errors)" 0
is "requests that failed" "$(word failed)" 0
check "the kernel has counted swapping: $(vm_count pswpin) in, $(vm_count pswpout) out" \
	[ "$(vm_count pswpin)" -gt "$pages" ]
is "processes killed for memory" "$(vm_count oom_kill)" 0
hogs_stop
swapoff "/dev/mapper/$name" || fail "swapoff"
is "swap that is left" "$(kib SwapTotal)" 0
ok "all swapped pages came back"
remove
finish
