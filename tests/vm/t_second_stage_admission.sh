#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P9: after a handover, a root process outside, another user, and a process that stole a drained
# channel are refused, and do no harm.
# vm: --mem 512 --cpus 2 --disk 64M
# quick: 6.12
# add: build/tests/vm/load tests/vm/lib.sh build/tests/vm/steal
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

node=/dev/dm-user/$name
user=(setpriv --reuid 1000 --regid 1000 --clear-groups)

# channel_of PID: print the number of a descriptor of the process that is a channel.
channel_of() {
	local link
	for link in "/proc/$1/fd/"*; do
		case $(readlink "$link") in
		"$node" | 'anon_inode:[dm-user]') echo "${link##*/}" ;;
		esac
	done | head -n 1
}

# said NAME: print the result of the thief's attempt of that name.
said() {
	sed -n "s/^$1 //p" /tmp/loot
}

logged() {
	grep -qF "$1" <(dmesg)
}

tried() {
	grep -q '^end$' /tmp/loot
}

create "$name" "file:$disk,direct,extents=off" || fail "create"
is "the node's mode and owner" "$(stat -c '%a %u:%g' "$node")" "600 0:0"
fails_saying 'Permission denied' "${user[@]}" dd if="$node" of=/dev/null count=1
chmod 666 "$node"
fails_saying 'Operation not permitted' "${user[@]}" dd if="$node" of=/dev/null count=1
chmod 600 "$node"
fails_saying 'only root' "${user[@]}" dmuser-second "$name"

# Other users do not reach the daemon's socket; if they do, the daemon does not answer.
fails_saying 'Permission denied' "${user[@]}" ls "$run/$name"
socket=$run/$name/handover.sock
is "another user's connection" "$("${user[@]}" /add/steal "$socket")" "answer EACCES"
chmod 755 "$run" "$run/$name"
chmod 777 "$socket"
answer=$("${user[@]}" /add/steal "$socket")
case $answer in
'answer 0' | 'answer ECONNRESET') ok "another user gets no answer from the daemon" ;;
*) fail "another user: $answer" ;;
esac
wait_for 20 "the daemon logs the connection" logged "a connection that is not root's"
[[ $(/add/steal "$socket") =~ ^answer\ [1-9] ]] || fail "root gets no answer"
chmod 700 "$run/$name" "$socket"

# A thief that uses a channel while its generation serves is not tested: a process that can trace
# the daemon can do all that the daemon can.
load_start -t 2
old=$(server)
mkfifo /tmp/orders
/add/steal "$old" "$(channel_of "$old")" </tmp/orders >/tmp/loot &
thief=$!
exec 9>/tmp/orders
wait_for 20 "the channel is stolen" grep -q '^stolen$' /tmp/loot
handover "$name" >/dev/null 2>/tmp/warned ||
	fail "handover with a stolen channel: $(cat /tmp/warned)"
check "dmuserctl tells of the theft" \
	grep -q 'holds 1 drained channels of generation 1' /tmp/warned
wait_for 20 "the old daemon is gone" gone "$old"
check "the node is sealed" word_is sealed 1
load_progress

# Open the node for reading and writing, as a daemon does.
open_node() {
	exec 3<>"$node"
}
fails_saying 'Operation not permitted' open_node
newcomer() {
	mv "$socket" "$socket.moved"
	local status=0
	dmuser-second --foreground --timeout 2000 "$name" || status=$?
	mv "$socket.moved" "$socket"
	return "$status"
}
fails_saying 'sealed' newcomer

echo >&9
wait_for 20 "the thief has tried everything" tried
sed 's/^/# /' /tmp/loot
is "the state of the stolen channel (2: drained)" "$(said channel_state)" 2
is "requests that it holds" "$(said held)" 0
is "reading from it (0: end of file)" "$(said read)" 0
is "answering by it" "$(said write)" EINVAL
is "joining another generation with it" "$(said join)" EBUSY
is "undoing its drain" "$(said undo)" EALREADY
is "sealing by it" "$(said seal)" ESHUTDOWN
is "making a channel by it" "$(said open)" ESHUTDOWN
is "opening the node again" "$(said reopen)" EPERM
case $(said by-proc) in
E*) ok "the thief cannot open the descriptor by /proc: $(said by-proc)" ;;
*) fail "the thief can open the descriptor by /proc: $(said by-proc)" ;;
esac
load_progress
load_stop
is "errors" "$(word errors)" 0
handover "$name" >/dev/null || fail "another handover, with the thief still there"
exec 9>&-
wait "$thief" || fail "the thief failed"
remove
finish
