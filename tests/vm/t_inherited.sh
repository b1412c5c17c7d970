#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P5, P8: programs work the same when they inherit no descriptors, an ignored SIGCHLD, a strange
# umask, hundreds of groups, and idle priority for processor and disk.
# vm: --mem 320 --disk 64M
# add: /usr/bin/chrt /usr/bin/nice tests/vm/lib.sh
# quick: 6.12
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

groups=$(seq -s, 3001 3560)

# badly COMMAND...: run COMMAND with a bad inheritance. Exit status: COMMAND's, or 99 if it hangs.
badly() {
	local status
	# shellcheck disable=SC2016 # the inner shell expands it
	timeout 90 bash -c 'trap "" CHLD; umask 0177
		exec /add/chrt -i 0 /add/nice -n 19 busybox ionice -c 3 \
			setpriv --groups "$0" "$@"' \
		"$groups" "$@" <&- >&- 2>&-
	status=$?
	[ $status != 124 ] || status=99
	return $status
}

# Check that a process started by badly has that inheritance.
# shellcheck disable=SC2016 # the inner shell expands it
badly bash -c 'exec >/tmp/like
	grep -E "SigIgn|Groups" /proc/self/status; cut -d" " -f41 /proc/self/stat'
[ $((0x$(sed -n 's/^SigIgn:\t//p' /tmp/like) >> 16 & 1)) = 1 ] ||
	fail "SIGCHLD is not ignored: $(cat /tmp/like)"
grep -q '3001.*3560' /tmp/like || fail "no groups: $(cat /tmp/like)"
is "policy" "$(tail -n 1 /tmp/like)" 5

# normal PID: the process has neither the groups nor the priorities.
normal() {
	is "groups of $1" "$(sed -n 's/^Groups:[[:space:]]*//p' "/proc/$1/status" | tr -d ' ')" ""
	is "policy of $1" "$(sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f39)" 0
	is "nice of $1" "$(sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f17)" 0
	is "I/O priority of $1" "$(busybox ionice -p "$1")" "none: prio 0"
}

check "create" badly dmuserctl create --timeout "$patience" "$name" "file:$disk"
normal "$(server)"
is "mode of $run" "$(stat -c %a "$run")" 755
is "mode of $run/$name" "$(stat -c %a "$run/$name")" 700
badly dmuserctl create --timeout "$patience" other file:/none && fail "a failure passed for success"
ok "dmuserctl reports a failure"
check "handover" badly dmuserctl handover --timeout "$patience" "$name"
normal "$(server)"
check "status" badly dmuserctl status "$name"
check "dmuser-watch" badly dmuser-watch --timeout "$patience" "$name"
pid=$(server)
kill -KILL "$pid" || fail "kill"
wait_for 60 "another daemon serves" word_is generation 3
wait_for 60 "the daemon answers" test -n "$(server)"
normal "$(server)"
normal "$(pgrep -x dmuser-watch)"
check "remove" badly dmuserctl remove "$name"

fails_saying "first process of a PID namespace" \
	unshare --fork --pid dmuserctl create "$name" "file:$disk"
finish
