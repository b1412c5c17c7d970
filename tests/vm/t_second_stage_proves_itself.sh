#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P8: a second stage that is not as confined as it believes says which wall is missing, and never serves.
# vm: --mem 512 --cpus 2 --disk 64M
# kernels: 6.1 6.12 trixie backports
# quick: 6.1 backports
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

second=$(command -v dmuser-second)

# believes WORDS INJECT...: a newcomer for which the system call INJECT has succeeded, but did nothing. In a mount
# namespace that can be spoilt.
believes() {
	local words=$1 inject calls='' options=() status=0
	shift
	for inject in "$@"; do
		calls+=,${inject%%:*}
		options+=(-e "inject=$inject")
	done
	timeout -s KILL 60 unshare --mount strace -f -qq -o /dev/null -e "trace=${calls#,}" "${options[@]}" \
		"$second" --foreground --timeout "$patience" "$name" >/tmp/said 2>&1 7</tmp || status=$?
	# Killed: by the old one, which has been told, and does not wait for it to be gone by itself.
	[ "$status" = 1 ] || [ "$status" = 137 ] || fail "$inject: status $status: $(tail -n 3 /tmp/said)"
	grep -qE "confinement: .*$words" /tmp/said || fail "$inject: no '$words' in: $(tail -n 3 /tmp/said)"
	ok "refused, with a pretended $inject: $(sed -n 's/.*confinement: //p' /tmp/said | head -n 1)"
	is "generation 1 serves on" "$(server)" "$first"
}

# nth WORD: which prctl() of a newcomer that is
nth() {
	grep prctl /tmp/trace | awk -v word="$1" 'index($0, word) { n = NR } END { print n }'
}

create "$name" "file:$disk,direct" || fail "create"
first=$(server)

# Its calls, in order, of one that gets no further than to make its filter; libseccomp has asked the kernel by then.
timeout -s KILL 60 strace -o /tmp/trace -e trace=prctl,seccomp,memfd_create -e inject=memfd_create:error=EMFILE \
	"$second" --foreground --timeout "$patience" "$name" >/tmp/said 2>&1 && fail "it serves without seccomp"
check "a filter that cannot be made is an error" grep -q 'confinement: cannot make the filter' /tmp/said

believes 'namespace is not its own' unshare:retval=0
believes 'the root directory' pivot_root:retval=0
# What it does where it cannot pivot: in an initramfs, before 7.0.
believes 'the root directory' pivot_root:error=EINVAL chroot:retval=0
believes 'Cap' capset:retval=0
believes 'Seccomp: 2' "seccomp:retval=0:when=$(($(grep -c '^seccomp(' /tmp/trace) + 1))"
believes 'memory' mlockall:retval=0
believes 'descriptor 7 should not be open' close_range:retval=0
believes 'limit' prlimit64:retval=0
believes 'securebits' "prctl:retval=0:when=$(nth PR_SET_SECUREBITS)"
believes 'CapBnd' "prctl:retval=0:when=$(nth 'PR_CAPBSET_DROP, CAP_SYS_ADMIN')"
# Landlock asks for it, and says so first, where the kernel has it.
believes 'NoNewPrivs|Landlock' "prctl:retval=0:when=$(nth PR_SET_NO_NEW_PRIVS)"
[ "$(grep -c PR_SET_DUMPABLE /tmp/trace)" = 2 ] || fail "dumpable is not set twice"
believes 'core' "prctl:retval=0:when=$(grep prctl /tmp/trace | grep -n -m 1 PR_SET_DUMPABLE | cut -d: -f1)+$((
	$(nth PR_SET_DUMPABLE) - $(grep prctl /tmp/trace | grep -n -m 1 PR_SET_DUMPABLE | cut -d: -f1)))"
believes 'Landlock' landlock_restrict_self:retval=0

handover "$name" >/dev/null || fail "handover"
is "and one that pretends nothing serves" "$(generation)" "$(dmuserctl status --json "$name" | jq .newest_generation)"
remove
finish
