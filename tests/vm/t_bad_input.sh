#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P12: bad input gets one clear line and a status other than 0, and leaves nothing behind.
# vm: --mem 512 --cpus 2 --disk 16M
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# Print all that a program could leave behind.
everything() {
	shopt -s nullglob
	echo "$run"/* "$run"/*/* /dev/dm-user/*
	dmsetup ls
	daemons
}

# Take the present state as the expected state.
meant() {
	before=$(everything)
}

# refused STATUS PATTERN COMMAND...: COMMAND exits with STATUS, prints one line that matches PATTERN
# (an extended regular expression) on standard error and nothing on standard output, and leaves
# nothing behind.
refused() {
	local status=$1 pattern=$2 got error
	shift 2
	"$@" >/tmp/out 2>/tmp/error
	got=$?
	error=$(</tmp/error)
	[ $got = "$status" ] || fail "$*: status $got, not $status: $error"
	# For an unknown option, argp(3) adds a line that says where to find help.
	[ "$status" != 2 ] || error=${error%%$'\n'"Try "*}
	[[ -n $error && $error != *$'\n'* ]] || fail "$*: not one line: $error"
	[[ $error =~ $pattern ]] || fail "$*: no '$pattern' in: $error"
	[ ! -s /tmp/out ] || fail "$*: on standard output: $(cat /tmp/out)"
	[ "$(everything)" = "$before" ] || fail "$*: something is left: $(everything)"
	ok "$* -> $error"
}

nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

meant
head -c 1048576 /dev/zero >/tmp/good
head -c 1000 /dev/zero >/tmp/odd
: >/tmp/empty
head -c 524288 /dev/zero >/tmp/half

for program in dmuser-first dmuser-second dmuserctl dmuser-watch; do
	refused 2 '--wrong' $program --wrong
	refused 2 'x' $program -x
	check "$program --help" test -n "$($program --help)"
	check "$program --version" test -n "$($program --version)"
done
refused 2 'NAME' dmuser-first
refused 2 'NAME' dmuser-second
refused 2 'BACKEND:SOURCE' dmuser-first t
refused 2 'a/b' dmuser-first a/b file:/tmp/good
refused 2 'extra' dmuser-first t file:/tmp/good extra
refused 2 'timeout.*0' dmuser-first -t 0 t file:/tmp/good
refused 2 'channels.*65' dmuser-first -c 65 t file:/tmp/good
refused 2 'timeout' dmuser-first t --timeout
refused 2 'run-dir' dmuser-first --run-dir relative t file:/tmp/good
refused 2 'tape' dmuser-first t tape:/dev/st0
refused 2 'colour' dmuser-first t file:/tmp/good,colour=red
refused 2 'frobnicate' dmuserctl frobnicate
refused 2 'NAME' dmuserctl status
refused 2 'a/b' dmuserctl status a/b

refused 1 '/tmp/missing.*No such file' dmuser-first t file:/tmp/missing
refused 1 '/tmp/empty' dmuser-first t file:/tmp/empty
refused 1 '/tmp/odd' dmuser-first t file:/tmp/odd
refused 1 '/tmp' dmuser-first t file:/tmp
refused 1 '/dev/null' dmuser-first t file:/dev/null
# The reason is the daemon's line about the option, not argp's hint after it.
refused 1 "option '--channels'" dmuserctl create t file:/tmp/good --channels 3 \
	--program "$(command -v dmuser-watch)"
refused 1 '/tmp/missing.*No such file' dmuserctl create t file:/tmp/missing
blockdev --setro "$disk"
refused 1 "$disk" dmuser-first t "file:$disk"
blockdev --setrw "$disk"
refused 1 'root|ermi' nobody dmuser-first t file:/tmp/good
refused 1 'root|ermi' nobody dmuserctl status t
refused 1 'root|ermi' nobody dmuserctl list
refused 1 't' dmuser-second t file:/tmp/good
for command in status handover remove seal unseal; do
	refused 1 't' dmuserctl $command t
done

echo 'gibberish' >/tmp/tab
refused 1 '/tmp/tab line 1' dmuserctl create --tab /tmp/tab t
printf '# comment\n\nother file:/tmp/good\nt file:/tmp/good,colour=red\n' >/tmp/tab
refused 1 '/tmp/tab line 4.*colour' dmuserctl create --tab /tmp/tab t
refused 1 '/tmp/tab' dmuserctl create --tab /tmp/tab u
refused 1 '/tmp/notab' dmuserctl create --tab /tmp/notab t
mkdir -m 0755 /tmp/directory || fail "mkdir"
refused 1 '/tmp/directory.*Is a directory' dmuserctl create --tab /tmp/directory t
refused 1 '/tmp can be written by others' dmuserctl create --tab /tmp t
printf 'na\033[31mme file:/tmp/good\n' >/tmp/tab
refused 1 '/tmp/tab line 1: bad name .na[?].31mme' dmuserctl create --tab /tmp/tab t

dmsetup create taken --table "0 8 linear $disk 0" || fail "a device"
meant
refused 1 'taken' dmuser-first taken file:/tmp/good
refused 1 'taken' dmuserctl create taken file:/tmp/good
refused 1 'taken' dmuserctl status taken
dmsetup remove taken

create t file:/tmp/good || fail "create"
pid=$(server)
meant
refused 1 't' dmuser-first t file:/tmp/good
refused 1 't' dmuserctl create t file:/tmp/good
refused 1 'ctl|node|t' dmuser-first --ctl t other file:/tmp/half
refused 1 '/tmp/half' dmuserctl handover t file:/tmp/half
refused 1 '/tmp/missing' dmuserctl handover t file:/tmp/missing
refused 1 '/tmp/odd' dmuser-second t file:/tmp/odd
refused 1 '/nowhere' dmuserctl handover --program /nowhere t
refused 1 'static|/bin/busybox|bash' dmuserctl handover --program /usr/bin/bash t
refused 1 'root|ermi' nobody dmuserctl handover t
refused 1 'root|ermi' nobody dmuser-second t
refused 1 'root|ermi' nobody dmuserctl remove t
# The device itself, files and devices on it, a copy, and another name with a page cache of its own.
refused 1 '/dev/mapper/t is the device' dmuserctl handover t file:/dev/mapper/t
mkfs.ext4 -q /dev/mapper/t && mount -t ext4 /dev/mapper/t /mnt || fail "a file system on t"
truncate -s 65536 /mnt/image
refused 1 '/mnt/image lies on the device' dmuserctl handover t file:/mnt/image
modprobe loop
loop=$(losetup -f)
losetup "$loop" /mnt/image || fail "losetup"
refused 1 "$loop lies on the device" dmuserctl handover t "file:$loop"
losetup -d "$loop"
umount /mnt
dmsetup create over --table "0 2048 linear /dev/mapper/t 0" || fail "a device on t"
meant
refused 1 '/dev/mapper/over lies on the device' dmuserctl handover t file:/dev/mapper/over
dmsetup remove over
meant
wait_for 20 "no process uses t" unused t
cp /tmp/good /tmp/copy
refused 1 '/tmp/copy .* not the store that is served' dmuserctl handover t file:/tmp/copy
losetup "$loop" /tmp/good || fail "losetup"
refused 1 "$loop .* not the store that is served" dmuserctl handover t "file:$loop"
losetup -d "$loop"
exec 6</dev/mapper/t
refused 1 'use' dmuserctl remove t
exec 6<&-
is "the daemon after all refusals" "$(server)" "$pid"
dd if=/dev/mapper/t of=/dev/null bs=1M iflag=direct 2>/dev/null || fail "a read"
ln /tmp/good /tmp/link
handover t file:/tmp/link >/dev/null || fail "handover to another name of the same file"
pid=$(server)
meant

# A killed daemon, a damaged tab file, a sealed node.
kill -KILL "$pid"
wait_for 20 "the daemon is dead" gone "$pid"
dmuserctl unseal t || fail "unseal"
rm "$run/t/handover.sock"
meant
refused 1 "/tmp/copy .*is not the store served last, file:inode.*remove $run/t/tab" \
	dmuser-second t file:/tmp/copy
# A copy under the name of the store.
mv /tmp/link /tmp/away
cp /tmp/good /tmp/link
meant
refused 1 "/tmp/link .*is not the store served last, file:inode.*remove $run/t/tab" \
	dmuserctl handover t
mv /tmp/away /tmp/link
mv "$run/t/store" /tmp/known
meant
refused 1 "which store was served last is not known.*$run/t/store.*remove $run/t/tab" \
	dmuserctl handover t
mv /tmp/known "$run/t/store"
mv "$run/t/tab" /tmp/kept
echo 't file:/tmp/good,colour=red' >"$run/t/tab"
meant
refused 1 "which store was served last is not known.*colour" dmuser-second t file:/tmp/copy
meant
refused 1 "$run/t/tab.*colour" dmuserctl handover t
: >"$run/t/tab"
meant
refused 1 "$run/t/tab is empty" dmuserctl handover t
rm "$run/t/tab"
meant
refused 1 "$run/t/tab" dmuserctl handover t
mv /tmp/kept "$run/t/tab"
dmuserctl seal t || fail "seal"
meant
refused 1 'unseal' dmuser-second t
handover t >/dev/null || fail "start of a daemon where none serves"
remove t

rmmod dm-user || fail "rmmod"
mv /lib/modules/*/updates/dm-user.ko /tmp/ || fail "hide the module"
meant
refused 1 'dm-user|target' dmuser-first t file:/tmp/good
refused 1 'dm-user|target' dmuserctl create t file:/tmp/good
insmod /tmp/dm-user.ko || fail "insmod"
create t file:/tmp/good || fail "create in the end"
remove t
finish
