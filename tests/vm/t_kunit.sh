#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1: each event in each state of a request has exactly the effect that the picture in dmu.h shows.
# kernels: uml-6.1 uml-6.12 debug
# vm: --mem 512
# add: build/kernel/KERNEL/kunit/dm-user-kunit.ko
set -u
set -o pipefail

suites='dmu_args dmu_end dmu_extents dmu_fence dmu_generation dmu_memory dmu_request dmu_revoke'
suites+=' dmu_table dmu_model'

fail() {
	echo "not ok - $*"
	exit 1
}

# Read KUnit's output, which has a level of indent for suites, cases and parameters. Every plan must
# be kept, every suite must have a result, and every result must be "ok". Print "OK PARTS": the
# number of good results, and the number of those that have no further parts.
results() {
	awk -v suites="$suites" '
		function wrong(why) {
			print why
			bad = 1
		}
		# All results at this depth have been read.
		function over(depth) {
			if (depth in plan && plan[depth] != seen[depth])
				wrong("plan of " plan[depth] ", " seen[depth] + 0 \
					" results, before: " $0)
			delete plan[depth]
			delete seen[depth]
		}
		/^ *(not )?ok [0-9]+ / || /^ *1\.\.[0-9]+$/ {
			match($0, /^ */)
			depth = int(RLENGTH / 4)
		}
		/^ *1\.\.[0-9]+$/ {
			over(depth)
			plan[depth] = substr($1, 4)
			next
		}
		/^ *(not )?ok [0-9]+ / {
			parts += last <= depth
			over(depth + 1)
			last = depth
			seen[depth]++
			if ($1 == "not")
				wrong($0)
			else if (/# SKIP/)
				wrong("skipped:" $0)
			else
				good++
			if (depth == 0)
				ended[$NF] = 1
		}
		END {
			over(0)
			n = split(suites, wanted, " ")
			for (i = 1; i <= n; i++)
				if (!(wanted[i] in ended))
					wrong("no result of suite " wanted[i])
			if (bad)
				exit 1
			print good, parts
		}'
}

dmesg -n 1
! lsmod | grep -q dm_user || fail "dm-user is loaded: its caches have the names of the suites'"
dmesg -c >/dev/null
# The suite dmu_memory makes single allocations fail, also such as may sleep.
echo N >/sys/kernel/debug/failslab/ignore-gfp-wait
echo 0 >/sys/kernel/debug/failslab/verbose
insmod /add/dm-user-kunit.ko || fail "insmod"
log=$(dmesg | sed -E 's/^<[0-9]+>//; s/^\[[^]]*\] ?//')
rmmod dm_user_kunit || fail "rmmod"
said=$(results <<<"$log") || {
	grep -E 'EXPECTATION FAILED|^ *not ok| is .*, not |# ' <<<"$log" | head -n 60
	fail "$said"
}
grep -oE 'seed [0-9]+, [0-9]+ .*' <<<"$log" | sed 's/^/# /'
echo "ok - all ${said% *} results are ok, ${said#* } of them of cases and their parameters"
echo "PASS"
