#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P2, P4, P12: a newcomer at the wrong moment, with the wrong store, of another version or out of
# date is refused with a reason, and does no harm.
# vm: --mem 512 --cpus 2 --disk 16M --timeout 1800
# add: build/tests/vm/load tests/vm/lib.sh build/tests/vm/peer
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

socket=$run/$name/handover.sock

# Remember the serving daemon, its generation and the seal, which no refusal may change.
mark() {
	pid=$(server)
	before="$pid $(generation) $(word sealed)"
}

other=none
alone() {
	[ "$(daemons | grep -vx "$other")" = "$pid" ] && in_daemon_state serving
}

in_daemon_state() {
	[ "$(dmuserctl status --json "$name" | jq -r .daemon.state)" = "$1" ]
}

unharmed() {
	wait_for 60 "$1: no newcomer is left" alone
	load_progress 1
	is "$1: serves, generation, sealed" "$(server) $(generation) $(word sealed)" "$before"
	check "$1: the load sees no error" load_calm
}

# refused STATUS PATTERN COMMAND...: COMMAND exits with STATUS, and its output matches PATTERN.
refused() {
	local status=$1 pattern=$2 said got
	shift 2
	said=$("$@" 2>&1)
	got=$?
	[ "$got" = "$status" ] || fail "$*: status $got, not $status: $said"
	[[ $said =~ $pattern ]] || fail "$*: no '$pattern' in: $said"
	unharmed "${*##*/}"
	say "$said"
}

# answered PATTERN WHAT [STATUS]: a peer of kind WHAT prints PATTERN, and exits with STATUS (0).
answered() {
	local said got
	said=$(timeout 120 /add/peer "$socket" "$2")
	got=$?
	[[ $said =~ ^$1$ ]] || fail "peer $2: '$said' is not '$1'"
	is "peer $2: exit status" "$got" "${3:-0}"
	unharmed "peer $2"
	say "$said"
}

# many COMMAND...: run 8 at once. Each is refused with a reason, or succeeds and adds a generation.
many() {
	local i from pids=() succeeded=0 newest
	from=$(generation)
	for i in 1 2 3 4 5 6 7 8; do
		"$@" >"/tmp/many$i" 2>&1 &
		pids+=($!)
	done
	for i in 1 2 3 4 5 6 7 8; do
		if wait "${pids[i - 1]}"; then
			succeeded=$((succeeded + 1))
		else
			grep -q -e 'another dmuserctl is handing it over' \
				-e 'another daemon of t is starting' \
				-e 'is taking over already' "/tmp/many$i" ||
				fail "$1 $2, one of eight: $(cat "/tmp/many$i")"
		fi
	done
	check "$1 $2, eight at once: $succeeded succeed" [ "$succeeded" -ge 1 ]
	newest=$(generation)
	is "$1 $2: new generations" $((newest - from)) "$succeeded"
	mark
	unharmed "$1 $2, eight at once"
}

create "$name" "file:$disk,direct,extents=off" || fail "create"
load_start -t 2
handover "$name" >/dev/null || fail "handover"
mark

say "another store, another size, another backend"
truncate -s 1M /tmp/half
refused 1 '/tmp/half .*is not the store that is served' dmuserctl handover "$name" file:/tmp/half
refused 2 "tape" dmuser-second "$name" tape:/dev/st0
refused 1 "tape" dmuserctl handover "$name" tape:/dev/st0
truncate -s 16M /tmp/image
create u file:/tmp/image || fail "create u"
other=$(server u)
truncate -s 4M /tmp/image
said=$(dmuserctl handover u 2>&1) && fail "a shorter image was taken"
[[ $said =~ /tmp/image\ has\ shrunk\ to\ 4194304\ bytes,\ and\ the\ device\ has\ 16777216 ]] ||
	fail "a shorter image: $said"
ok "a shorter image: $said"
truncate -s 16M /tmp/image
is "u: the daemon" "$(server u)" "$other"
check "u: the whole device can be read" dd if=/dev/mapper/u of=/dev/null bs=1M iflag=direct
said=$(dmuserctl handover "$name" file:/tmp/image 2>&1) && fail "the store of u was taken"
[[ $said =~ /tmp/image.*not\ the\ store ]] || fail "the store of u: $said"
unharmed "the store of another device"
remove u

say "another version, and messages other than HELLO"
answered $'REFUSE this daemon .* speaks protocol version 1 only\nclosed' older
answered $'REFUSE this daemon .* speaks protocol version 1 only\nclosed' newer
answered $'REFUSE malformed message\nclosed' unknown
answered $'REFUSE malformed message\nclosed' garbage
answered $'REFUSE malformed message\nclosed' no-pidfd
answered $'REFUSE the descriptor in HELLO is no pidfd\nclosed' false-pidfd
answered $'REFUSE READY before HELLO\nclosed' ready
# These peers have an OFFER. The daemon withdraws it, and kills the peer.
killed=137
answered $'OFFER' leave "$killed"
answered $'OFFER(\nABORT .*)?(\nclosed)?' twice "$killed"

say "while another newcomer prepares, and while the old daemon drains"
# The first newcomer stops after HELLO, or after READY, and goes on when the others have been
# refused.
for step in 1 2; do
	strace -I 2 -f -qq -o /tmp/strace -e trace=sendmsg \
		-e "inject=sendmsg:signal=STOP:when=$step" \
		dmuser-second --timeout "$patience" "$name" >/tmp/slow 2>&1 &
	slow=$!
	[ $step = 1 ] && state='handing over' || state=draining
	wait_for 60 "$state: the newcomer stops" grep -q 'stopped by SIGSTOP' /tmp/strace
	wait_for 60 "$state" in_daemon_state "$state"
	said=$(/add/peer "$socket" mute)
	[[ $said =~ ^REFUSE\ generation\ [0-9]+\ \(pid\ [0-9]+\)\ is\ taking\ over\ already ]] ||
		fail "$state: $said"
	ok "$state: $said"
	said=$(dmuser-second "$name" 2>&1) && fail "$state: a second newcomer succeeded"
	[[ $said =~ another\ daemon\ of\ t\ is\ starting ]] || fail "$state: $said"
	ok "$state: $said"
	# shellcheck disable=SC2046 # pids are words
	kill -CONT $(daemons | grep -vx "$pid")
	wait_for 60 "$state: the first newcomer takes over: $(cat /tmp/slow)" gone "$pid"
	# strace would trace the daemon for as long as it lives.
	kill "$slow" && wait "$slow"
	mark
	unharmed "$state"
done

say "an administrator drains the newcomer's generation, which would serve nothing"
strace -I 2 -qq -p "$pid" -o /tmp/strace -e trace=sendmsg -e inject=sendmsg:signal=STOP:when=2 &
strace=$!
wait_for 60 "strace traces the old daemon" \
	grep -q "TracerPid:[[:space:]]*$strace\$" "/proc/$pid/status"
dmuser-second --timeout "$patience" "$name" >/tmp/drained 2>&1 &
drained=$!
wait_for 60 "the old daemon has got READY, and is stopped" grep -q 'stopped by SIGSTOP' /tmp/strace
newest=$(generation)
dmsetup message "$name" 0 drain "$newest" || fail "drain $newest"
wait "$drained" && fail "a drained newcomer succeeded: $(cat /tmp/drained)"
said=$(cat /tmp/drained)
[[ $said =~ generation\ $newest\ was\ drained\ by\ another\ process ]] || fail "drained: $said"
ok "drained: $said"
kill -CONT "$pid"
kill "$strace" && wait "$strace"
wait_for 60 "the old daemon serves on, as another generation if it had drained" alone
before="$pid $(generation) 1"
unharmed "the old daemon of a drained newcomer"
handover "$name" >/dev/null || fail "a handover after the drained newcomer"
mark

say "many at once"
many dmuserctl handover --timeout "$patience" "$name"
many dmuser-second --timeout "$patience" "$name"

say "out of date"
mkfifo /tmp/orders
/add/peer "$socket" stale </tmp/orders >/tmp/stale &
stale=$!
exec 9>/tmp/orders
offered() {
	grep -q OFFER /tmp/stale
}
wait_for 60 "the stale peer has an OFFER" offered
unharmed "a withdrawn OFFER"
handover "$name" >/dev/null || fail "a handover while a peer keeps the channels of an old OFFER"
mark
echo >&9
wait $stale || fail "the stale peer: $(cat /tmp/stale)"
sed 's/^/# /' /tmp/stale
check "the generation of the stale peer is taken" grep -qE '^join (EEXIST|ESTALE)$' /tmp/stale
is "joining an older generation" "$(sed -n 's/^join-older //p' /tmp/stale)" ESTALE
check "READY of the stale peer is refused" grep -q '^REFUSE READY before HELLO$' /tmp/stale
unharmed "the stale peer"

say "slow, while other peers come and go: only a crowd of silent peers costs the first its place"
is "answers" "$(/add/peer "$socket" slow | sort | uniq -c | xargs)" "21 STATUS 21 closed"

say "silent"
dmuserctl handover --timeout 10000 "$name" >/dev/null || fail "handover to an impatient daemon"
mark
answered $'OFFER(\nABORT .*)?(\nclosed)?' mute "$killed"
exec 9>&-
load_stop
is "errors" "$(word errors)" 0
is "requests that failed" "$(word failed)" 0
handover "$name" >/dev/null || fail "a handover after the refusals"
remove
finish
