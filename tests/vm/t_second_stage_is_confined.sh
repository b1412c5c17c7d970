#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P5, P8: seen from outside, the memory, descriptors, mounts, capabilities and system calls of the
# second stage are confined.
# vm: --mem 512 --cpus 2 --disk 64M
# kernels: 6.1 6.12 trixie backports debug kcsan
# quick: 6.1 backports
# add: build/tests/vm/load tests/vm/lib.sh build/tests/vm/poke
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

field() {
	sed -n "s/^$1:[[:space:]]*//p" "$2"
}

# says FILTER: FILTER is true for the status in /tmp/status.
says() {
	jq -e "$1" /tmp/status >/dev/null
}

create "$name" "file:$disk,direct,extents=off" || fail "create"
first=$(server)
mkfs.ext4 -q /dev/mapper/t || fail "mkfs"
mount -t ext4 /dev/mapper/t /mnt || fail "mount"
# Hand over from a directory on the served device, with descriptors on it: the daemon must keep
# none.
cd /mnt || fail "cd"
exec 7<. 8>/mnt/file
handover "$name" >/tmp/said || fail "handover"
exec 7<&- 8>&-
cd / || fail "cd"
pid=$(server)
p=/proc/$pid
number=$(stat -c '%t:%T' "$(readlink -f /dev/mapper/t)")
dev=$(printf '%02x:%02x' "$((16#${number%:*}))" "$((16#${number#*:}))")
wait_for 20 "the first stage is gone" gone "$first"

for task in "$p/task/"*; do
	who="thread $(cat "$task/comm") ${task##*/}"
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do
		[ "$(field $set "$task/status")" = 0000000000000000 ] ||
			fail "$who: $set is $(field $set "$task/status")"
	done
	[ "$(field NoNewPrivs "$task/status")" = 1 ] || fail "$who: no_new_privs is not set"
	[ "$(field Seccomp "$task/status")" = 2 ] || fail "$who: no seccomp filter"
	flags=$(sed 's/.*) //' "$task/stat" | cut -d' ' -f7)
	# PR_SET_IO_FLUSHER sets PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE.
	[ $((flags & 0x180000)) = $((0x180000)) ] || fail "$who: no IO_FLUSHER, flags $flags"
done
ok "every thread: no capability, no_new_privs, seccomp, IO_FLUSHER ($(field Threads "$p/status"))"
is "user" "$(field Uid "$p/status" | cut -f1-4 | tr '\t' ' ')" "0 0 0 0"
is "OOM score" "$(cat "$p/oom_score_adj")" -1000
is "the first byte of argv[0]" "$(head -c 1 "$p/cmdline")" @

awk '/^[0-9a-f]+-[0-9a-f]+ / { name = $6; next }
	/^VmFlags:/ && !/ lo/ && name !~ /^\[v/ { print name, $0; bad = 1 }
	END { exit bad }' "$p/smaps" || fail "a mapping is not locked"
ok "every mapping is locked"
is "stack limit" "$(awk '/^Max stack size/ { print $4, $5 }' "$p/limits")" "1048576 1048576"
check "there is locked memory" test "$(field VmLck "$p/status" | tr -dc 0-9)" -gt 500
! awk -v dev="$dev" '$4 == dev { print; found = 1 } END { exit !found }' "$p/maps" ||
	fail "the daemon maps a file on its own device"
! awk '$4 != "00:00" && $6 !~ /dmuser-second/ { print; found = 1 } END { exit !found }' \
	"$p/maps" || fail "the daemon maps a file other than its program"
ok "the daemon maps no file but its program, and none on its device"
case $(readlink "$p/exe") in
/run/dm-user/$name/dmuser-second.2*) ok "the program is a copy in tmpfs: $(readlink "$p/exe")" ;;
*) fail "the program is $(readlink "$p/exe")" ;;
esac

for fd in "$p/fd/"*; do
	link=$(readlink "$fd")
	case $link in
	/dev/null | /dev/kmsg | "$disk" | 'anon_inode:[dm-user]' | 'anon_inode:[eventfd]' | \
		'anon_inode:[eventpoll]' | 'anon_inode:[timerfd]' | 'anon_inode:[signalfd]' | \
		'anon_inode:[pidfd]' | 'socket:'*) ;;
	*) fail "descriptor ${fd##*/} is $link" ;;
	esac
done
ok "descriptors: $(for fd in "$p/fd/"*; do readlink "$fd"; done |
	sed 's/socket:.*/socket/' | sort | uniq -c | tr -s ' \n' ' ')"
for fd in 0 1 2; do
	is "descriptor $fd" "$(readlink "$p/fd/$fd")" /dev/null
done
is "files in its root" "$(find "$p/root/" -mindepth 1 | wc -l)" 0
for ns in mnt ipc uts net cgroup; do
	[ -e "/proc/self/ns/$ns" ] || continue
	[ "$(readlink "$p/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")" ] ||
		fail "the daemon shares this shell's namespace $ns"
	ok "the daemon has a namespace $ns of its own"
done
is "mounts" "$(wc -l <"$p/mountinfo")" 1
check "the mount is read-only" grep -qE ' / / ro[, ]' "$p/mountinfo"
is "working directory" "$(stat -L -c '%d:%i' "$p/cwd")" "$(stat -L -c '%d:%i' "$p/root")"
is "controlling terminal" "$(sed 's/.*) //' "$p/stat" | cut -d' ' -f5)" 0
is "core limit" "$(awk '/core file/ { print $5, $6 }' "$p/limits")" "0 0"
dmuserctl status "$name" | grep -E '^(confined|domain)'
dmuserctl status --json "$name" >/tmp/status
for wall in capabilities privileges seccomp filesystem memory undumpable namespaces descriptors \
	limits; do
	check "dmuserctl reports the wall $wall" says ".daemon.confinement | index(\"$wall\")"
done
is "filters" "$(jq .daemon.seccomp_filters /tmp/status)" "$(field Seccomp_filters "$p/status")"
is "Landlock, where the kernel has it" \
	"$(jq '.daemon.confinement | index("landlock") != null' /tmp/status)" \
	"$(jq '.daemon.landlock > 0' /tmp/status)"
case $(uname -r) in
6.1.*-amd64 | 6.12.*-amd64) check "Debian's kernels have Landlock" says '.daemon.landlock > 0' ;;
esac

echo hello >/mnt/file
sync
umount /mnt || fail "umount"
n=2
# In the main thread openat, socket, execve, mmap, and writev, which only an I/O thread may call. In
# an I/O thread openat, and accept4, sendmsg, close and getpid, which only the main thread may call.
for poke in main,257 main,41 main,59 main,9 main,20 io,257 io,288 io,46 io,3 io,39; do
	role=${poke%,*} call=${poke#*,}
	pid=$(server)
	task=$pid
	[ "$role" = main ] || task=$(grep -lx 'dmu-serve/1' "/proc/$pid/task/"*/comm | cut -d/ -f5)
	/add/poke "$task" "$call" ||
		fail "system call $call in thread $role did not kill the daemon"
	ok "system call $call in thread $role kills the daemon"
	wait_for 20 "the daemon is dead" gone "$pid"
	n=$((n + 1))
	handover "$name" >/dev/null || fail "restart"
	is "the serving generation" "$(generation)" "$n"
done
remove
finish
