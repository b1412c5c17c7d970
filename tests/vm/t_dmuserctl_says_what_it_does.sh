#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P12: dmuserctl names the serving daemon, waits for the events that it is asked for, names the
# cause of each refusal, and leaves nothing behind.
# vm: --mem 512 --cpus 2 --disk 64M --disk 64M
# quick: 6.12
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# refused STATUS WORDS ARGUMENT...: dmuserctl exits with STATUS and prints one line that has WORDS.
refused() {
	local status=$1 words=$2 said got=0
	shift 2
	said=$(dmuserctl "$@" 2>&1 >/dev/null) || got=$?
	[ "$got" = "$status" ] || fail "dmuserctl $*: status $got, not $status: $said"
	# For an unknown option, argp(3) adds a line that says where to find help.
	said=${said%%$'\n'"Try "*}
	[[ $said =~ ^dmuserctl( [a-z]+)?": ".*"$words" ]] ||
		fail "dmuserctl $*: no '$words' in: $said"
	[[ $said != *$'\n'* ]] || fail "dmuserctl $*: more than a line: $said"
	ok "refused: $*: $words"
}

# field FILTER: print a part of the device's status.
field() {
	dmuserctl status --json "$name" | jq -c "$1"
}

copies() {
	find "$run/$name" -name 'dmuser-second.*' | wc -l
}

serves() {
	[ "$(server)" = "$1" ]
}

a_request_waits() {
	[ "$(word queued)" != 0 ]
}

# udev leaves this file behind when it ends: dmuserctl must not wait for udev.
mkdir -p /run/udev
touch /run/udev/control

refused 2 COMMAND
refused 2 frob frob
refused 2 NAME status
refused 2 --force status "$name" --force
refused 2 "'x'" wait "$name" --timeout x
refused 1 'no such device' status "$name"
refused 1 'no such device' handover "$name"
refused 1 'no such device' seal "$name"
refused 1 'no such device' remove "$name"
refused 1 'no such device' program "$name"
refused 2 third program --stage third
refused 2 --stage create "$name" "file:$disk,extents=off" --stage second
refused 1 colour program "file:$disk,colour=red"
refused 1 'there is no such device' wait "$name" --timeout 100
refused 1 /dev/nope create "$name" file:/dev/nope
refused 1 colour create "$name" "file:$disk,colour=red"
refused 1 /nonexistent create "$name" "file:$disk,extents=off" --program /nonexistent
refused 1 '/tmp/late has not appeared after 1 s' create "$name" file:/tmp/late --wait 1
refused 1 "unknown backend 'tape'" create "$name" tape:/dev/st0 --wait 60
refused 1 /etc/dmusertab create "$name"
printf '# a comment\nother file:/dev/vdb ro\n%s file:/dev/vdb\n' "$name" >/tmp/tab
refused 1 missing create missing --tab /tmp/tab
echo 'broken' >>/tmp/tab
refused 1 'line 4' create missing --tab /tmp/tab
dmsetup create error --table '0 8 error'
refused 1 'not a device of the dm-user target' status error
dmsetup remove error
is "an empty list" "$(dmuserctl list --json | jq -c .)" '[]'
nothing_left "after refusals"

# create waits for its store.
dmuserctl create "$name" file:/tmp/late --timeout "$patience" --wait 60 &
creator=$!
wait_for 20 "create waits" in_state "$creator" S
truncate -s 8M /tmp/early
mv /tmp/early /tmp/late
wait "$creator" || fail "create --wait"
is "the device of a store that came late" "$(field .served)" true
remove
rm /tmp/late

# A waiter sleeps until the device exists.
dmuserctl wait "$name" --json --timeout 30000 >/tmp/waited &
waiter=$!
create "$name" --tab /tmp/tab
wait "$waiter" || fail "wait for the device"
ok "wait sees the device come"
is "the backend of its tab line" "$(field .daemon.backend)" '"file:/dev/vdb"'
remove

create "$name" "file:$disk,direct,extents=off,channels=2"
refused 1 'is in use' create "$name" "file:$disk,extents=off"
is "stage, generation, cache" \
	"$(field '[.daemon.stage,.generation,.daemon.cache,.channels,.sealed]')" \
	'["first",1,"direct",2,false]'
is "list" "$(dmuserctl list --json | jq -c '[.[]|[.name,.generation,.served]]')" \
	"[[\"$name\",1,true]]"
check "seal" dmuserctl seal "$name"
is "sealed" "$(field .sealed)" true
check "unseal" dmuserctl unseal "$name"
is "not sealed" "$(field .sealed)" false

# The program that would run: of the backend, or else of the stage.
first=/usr/bin/dmuser-first second=/usr/bin/dmuser-second own=/usr/bin/dmuser-file
is "the stages' programs" "$(dmuserctl program) $(dmuserctl program --stage second)" \
	"$first $second"
is "the program for a new device" "$(dmuserctl program "file:$disk")" "$first"
is "the program for a handover" "$(dmuserctl program "$name")" "$second"
is "the program at shutdown" "$(dmuserctl program --stage first "$name" --json | jq -r .program)" \
	"$first"
cp "$first" "$own"
is "the backend's own programs" "$(dmuserctl program "file:$disk") $(dmuserctl program "$name")" \
	"$own $own"
rm "$own"

# Handovers that are impossible: the old daemon carries on.
refused 1 'generation 1 still serves' handover "$name" --program /nonexistent
refused 1 dynamically handover "$name" --program /bin/bash
refused 1 'not a 64-bit ELF' handover "$name" --program /script/t_dmuserctl_says_what_it_does.sh
refused 1 /dev/nope handover "$name" file:/dev/nope
modprobe ext4
mkdir -p /disk
mkfs.ext4 -q /dev/vdb
check "a file system" mount /dev/vdb /disk
refused 1 'not on a tmpfs' handover "$name" --run-dir /disk
[ ! -e "/disk/$name" ] || fail "/disk/$name is left"
umount /disk
is "still generation 1" "$(field '[.generation,.daemon.generation]')" '[1,1]'

# Wait for a generation, on a noexec /run, as Debian has it.
mount -o remount,noexec "$(df -P /run | awk 'END { print $6 }')" || fail "noexec"
old=$(server)
dmuserctl wait "$name" --generation 2 --timeout 60000 &
waiter=$!
is "handover" "$(handover "$name" --json | jq -c '[.generation,.previous,.sealed,.restarted]')" \
	'[2,1,true,false]'
wait "$waiter" || fail "wait for generation 2"
check "wait for the end of generation 1" \
	dmuserctl wait "$name" --generation 1 --gone --timeout 60000
wait_for 20 "the old daemon is gone" gone "$old"
walls='"capabilities","privileges","seccomp","filesystem","memory","undumpable","namespaces"'
walls+=',"descriptors","limits"'
is "confinement" "$(field '.daemon.confinement-["landlock"]')" "[$walls]"
mount -o remount,exec "$(df -P /run | awk 'END { print $6 }')" || fail "exec"
handover "$name" || fail "handover"
is "copies" "$(copies)" 1
handover "$name" --stage first >/dev/null || fail "handover to a first stage"
is "the stage" "$(field .daemon.stage)" '"first"'
handover "$name" || fail "handover"

# A daemon does not answer, then no daemon serves.
old=$(server)
kill -STOP "$old"
is "a stopped daemon" "$(field '[.served,.daemon,(.daemon_error|test("answer"))]')" \
	'[true,null,true]'
refused 1 'generation 5 still serves' handover "$name" --timeout 500
kill -CONT "$old"
wait_for 20 "the daemon answers again" serves "$old"
kill -KILL "$old"
wait_for 20 "no daemon serves" word_is daemon 0
is "no daemon" "$(field '[.served,.generation,.daemon,.sealed]')" '[false,null,null,true]'
refused 1 'no daemon serves' wait "$name" --timeout 100
is "restart" "$(handover "$name" --json | jq -c '[.previous,.sealed,.restarted]')" \
	'[null,true,true]'

# Removal names the process that uses the device. By force it fails the requests that wait, and
# succeeds.
mkfs.ext4 -q "/dev/mapper/$name"
check "a file system on it" mount "/dev/mapper/$name" /disk
refused 1 'mounted on /disk' remove "$name"
umount /disk
exec 5<"/dev/mapper/$name"
refused 1 "pid $$" remove "$name"
exec 5<&-
kill -KILL "$(server)"
wait_for 20 "no daemon serves" word_is daemon 0
dd if="/dev/mapper/$name" of=/dev/null bs=4k count=1 iflag=direct 2>/tmp/said &
reader=$!
wait_for 20 "a read waits" a_request_waits
dmuserctl wait "$name" --gone --timeout 60000 &
waiter=$!
check "remove --force" dmuserctl remove "$name" --force
wait "$reader" && fail "a read without a daemon succeeded"
wait "$waiter" || fail "wait for the removal"
ok "wait sees the device go"
finish
