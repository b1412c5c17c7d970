#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P8: a second stage that is less confined than it believes names the missing wall and never serves.
# vm: --mem 512 --cpus 2 --disk 64M
# kernels: 6.1 6.12 trixie backports
# quick: 6.1 backports
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

second=$(command -v dmuser-second)

# believes WORDS INJECT...: run a newcomer for which the system call INJECT pretends to succeed, and
# which must then complain in WORDS. It runs in a mount namespace of its own, which it may spoil.
believes() {
	local words=$1 inject calls='' options=() status=0
	shift
	for inject in "$@"; do
		calls+=,${inject%%:*}
		options+=(-e "inject=$inject")
	done
	timeout -s KILL 60 unshare --mount strace -f -qq -o /dev/null -e "trace=${calls#,}" \
		"${options[@]}" "$second" --foreground --timeout "$patience" "$name" \
		>/tmp/said 2>&1 7</tmp || status=$?
	# 137: the old daemon hears of the failure, and may kill the newcomer before that exits.
	[ "$status" = 1 ] || [ "$status" = 137 ] ||
		fail "$inject: status $status: $(tail -n 3 /tmp/said)"
	grep -qE "confinement: .*$words" /tmp/said ||
		fail "$inject: no '$words' in: $(tail -n 3 /tmp/said)"
	ok "refused with $inject: $(sed -n 's/.*confinement: //p' /tmp/said | head -n 1)"
	is "the serving daemon" "$(server)" "$first"
}

# nth WORD: print the number of a newcomer's last prctl() that has WORD.
nth() {
	grep prctl /tmp/trace | awk -v word="$1" 'index($0, word) { n = NR } END { print n }'
}

create "$name" "file:$disk,direct,extents=off" || fail "create"
first=$(server)

# Record the calls of a newcomer that fails to make its filter, after libseccomp has probed the
# kernel.
timeout -s KILL 60 strace -o /tmp/trace -e trace=prctl,seccomp,memfd_create \
	-e inject=memfd_create:error=EMFILE \
	"$second" --foreground --timeout "$patience" "$name" >/tmp/said 2>&1 &&
	fail "a second stage serves without seccomp"
check "a filter that cannot be made is an error" \
	grep -q 'confinement: cannot make the filter' /tmp/said

believes 'namespace is not its own' unshare:retval=0
believes 'the root directory' pivot_root:retval=0
# The second stage calls chroot where it cannot pivot: in an initramfs, before 7.0.
believes 'the root directory' pivot_root:error=EINVAL chroot:retval=0
believes 'Cap' capset:retval=0
believes 'Seccomp: 2' "seccomp:retval=0:when=$(($(grep -c '^seccomp(' /tmp/trace) + 1))"
believes 'memory' mlockall:retval=0
believes 'descriptor 7 should not be open' close_range:retval=0
believes 'limit' prlimit64:retval=0
believes 'securebits' "prctl:retval=0:when=$(nth PR_SET_SECUREBITS)"
believes 'CapBnd' "prctl:retval=0:when=$(nth 'PR_CAPBSET_DROP, CAP_SYS_ADMIN')"
# Landlock, where the kernel has it, needs no_new_privs and fails first.
believes 'NoNewPrivs|Landlock' "prctl:retval=0:when=$(nth PR_SET_NO_NEW_PRIVS)"
[ "$(grep -c PR_SET_DUMPABLE /tmp/trace)" = 2 ] || fail "dumpable is not set twice"
dumpable=$(grep prctl /tmp/trace | grep -n -m 1 PR_SET_DUMPABLE | cut -d: -f1)
believes 'core' \
	"prctl:retval=0:when=$dumpable+$(($(nth PR_SET_DUMPABLE) - dumpable))"
believes 'Landlock' landlock_restrict_self:retval=0

handover "$name" >/dev/null || fail "handover"
is "the generation of an undisturbed second stage" "$(generation)" \
	"$(dmuserctl status --json "$name" | jq .newest_generation)"
remove
finish
