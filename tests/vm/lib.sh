# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions of the test scripts, which source this file in the guest as /add/lib.sh.
#
# A script passes only if it calls finish, which checks that no device, daemon or run file is left
# and that the module unloads. A check that fails earlier prints the reason and the state.
set -u
set -o pipefail

name=t			# the device that most scripts use
disk=/dev/vda
patience=60000		# timeout of the daemons in ms: guests may be emulated
run=/run/dm-user
checks=0
finished=

say() {
	echo "# $*"
}

state() {
	local wchan=wchan:20,
	# To find wchan, a user-mode kernel reads beyond a stack, which its KASAN reports.
	[ ! -e /proc/exitcode ] || wchan=
	say "state:"
	timeout 20 dmsetup table 2>&1 | sed 's/^/#   /'
	timeout 20 dmsetup status 2>&1 | sed 's/^/#   /'
	# shellcheck disable=SC2009 # pgrep cannot show these columns
	ps -e -o "pid,ppid,stat,${wchan}comm,args" | grep -aE 'dmuser|abi|load' | grep -v grep |
		sed 's/^/#   /'
	find "$run" 2>/dev/null | sed 's/^/#   /'
	dmesg | grep -aE 'dmuser|device-mapper|I/O error' | tail -n 40 | sed 's/^/#   /'
}

fail() {
	echo "not ok - $*"
	state
	finished=1
	exit 1
}

ok() {
	checks=$((checks + 1))
	echo "ok - $*"
}

# check WHAT COMMAND...: COMMAND must succeed.
check() {
	local what=$1
	shift
	"$@" || fail "$what"
	ok "$what"
}

# is WHAT GOT WANTED
is() {
	[ "$2" = "$3" ] || fail "$1: got '$2', not '$3'"
	ok "$1"
}

# fails_saying WORDS COMMAND...: COMMAND must fail and print WORDS.
fails_saying() {
	local words=$1 said
	shift
	said=$("$@" 2>&1) && fail "not refused: $*"
	[[ $said == *"$words"* ]] || fail "$*: no '$words' in: $said"
	ok "refused: $said"
}

# wait_for SECONDS WHAT COMMAND...: wait until COMMAND succeeds.
wait_for() {
	local end=$((SECONDS + $1)) slow=$((SECONDS + 15)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || fail "waiting until $what"
		if [ "$SECONDS" -ge "$slow" ]; then
			say "waiting until $what" >&2
			slow=$end
		fi
		sleep 0.05
	done
}

# bounded NUMBER LESS: print how many rounds to run: LESS in make test, which must end soon.
bounded() {
	grep -q ' tests=quick' /proc/cmdline && echo "$2" || echo "$1"
}

at_exit() {
	[ -n "$finished" ] || {
		echo "not ok - the script ended early"
		state
		exit 1
	}
}
trap at_exit EXIT

# word KEY [DEVICE]: print the value of KEY in the target's status.
word() {
	local status
	status=$(dmsetup status "${2:-$name}")
	case $status in
	*" $1:"*)
		status=${status#*" $1:"}
		echo "${status%% *}"
		;;
	esac
}

word_is() {
	[ "$(word "$1" "${3:-$name}")" = "$2" ]
}

word_at_least() {
	[ "$(word "$1")" -ge "$2" ]
}

# Print the process ids of all living daemons of both stages. The init reaps dead ones late.
daemons() {
	local pid
	for pid in $(pgrep '^dmuser-[fs]'); do
		! alive "$pid" || echo "$pid"
	done
}

# Print the process ids of all processes that hold channels of any device: the serving daemon's and,
# during a handover, the newcomer's.
holders() {
	local link
	for link in /proc/[0-9]*/fd/*; do
		case $(readlink "$link" 2>/dev/null) in
		/dev/dm-user/* | anon_inode:\[dm-user\]*) echo "$link" ;;
		esac
	done | cut -d/ -f3 | sort -un
}

no_daemons() {
	[ -z "$(daemons)" ]
}

# server [DEVICE]: print the process id of the serving daemon as status reports it.
server() {
	dmuserctl status --json "${1:-$name}" | jq -r '.daemon.pid // empty'
}

generation() {
	dmuserctl status --json "${1:-$name}" | jq -r '.generation'
}

create() {
	dmuserctl create --timeout "$patience" "$@"
}

handover() {
	dmuserctl handover --timeout "$patience" "$@"
}

# Kill the serving daemon, and wait until no daemon serves.
crash() {
	kill -KILL "$(server)" || fail "kill"
	wait_for 20 "the daemon is dead" word_is daemon 0
}

claims_nothing() {
	check "device-mapper claims nothing" grep -q '^0 dep' <(dmsetup deps "$name")
}

# Load the row that a program from before "backing:" would have loaded.
forget_claim() {
	local row args
	row=$(dmsetup table "$name")
	args=$(cut -d' ' -f 8- <<<"$row" | tr ' ' '\n' | grep -v ^backing: | xargs)
	row="$(cut -d' ' -f -6 <<<"$row") $(wc -w <<<"$args") $args"
	dmsetup reload "$name" --table "$row" && dmsetup suspend --noflush --nolockfs "$name" &&
		dmsetup resume "$name" || fail "a row without a claim"
	claims_nothing
}

# letter STATFILE: set $letter to a thread's state, as ps prints it. It forks no process: forks are
# slow in a guest.
letter=
letter() {
	local stat=
	{ read -r stat <"$1"; } 2>/dev/null || return 1
	stat=${stat##*) }
	letter=${stat%% *}
}

alive() {
	letter "/proc/$1/stat" && [ "$letter" != Z ]
}

gone() {
	! alive "$1"
}

# in_state PID LETTER: all threads of the process are in that state (T: stopped).
in_state() {
	local stat
	for stat in "/proc/$1/task/"*/stat; do
		letter "$stat" && [ "$letter" = "$2" ] || return 1
	done
}

# load_start [OPTION]...: start verified load on the device in the background.
load_file=/tmp/load
load_pid=
load_start() {
	rm -f "$load_file"
	/add/load -s "$load_file" "$@" "/dev/mapper/$name" &
	load_pid=$!
	wait_for 60 "the load runs" load_past least 4
}

# load_word KEY: print a value of the load's status: ops, errors, wrong, longest_ms, waiting_ms, or
# least, the fewest operations of any thread.
load_word() {
	local line=
	read -r line <"$load_file" || true
	line=${line#*"$1"=}
	echo $((10#${line%% *}))
}

load_past() {
	[ "$(load_word "$1")" -ge "$2" ]
}

# load_calm: the load has seen no error and no wrong byte so far.
load_calm() {
	[ "$(load_word errors)" = 0 ] && [ "$(load_word wrong)" = 0 ]
}

# load_progress [N]: wait until every thread of the load has done N (3) more operations.
load_progress() {
	local from
	from=$(load_word least)
	wait_for 60 "the load goes on" load_past least $((from + ${1:-3}))
}

load_stop() {
	kill -TERM "$load_pid"
	wait "$load_pid" || fail "the load saw errors or wrong bytes (status $?)"
	load_pid=
	ok "verified load: $(tr -s ' 0' ' 0' <"$load_file")"
}

remove() {
	wait_for 20 "no process uses ${1:-$name}" unused "${1:-$name}"
	dmuserctl remove "${1:-$name}" || fail "remove ${1:-$name}"
}

unused() {
	[ "$(dmsetup info -c --noheadings -o open "$1")" = 0 ]
}

# nothing_left [WHEN]: no device, daemon, run file or control node is left.
nothing_left() {
	[ "$(dmsetup ls --target user)" = 'No devices found' ] || fail "${1:-}: a device is left"
	wait_for 20 "${1:-the end}: no daemon is left" no_daemons
	[ -z "$(find "$run" -mindepth 1 2>/dev/null)" ] || fail "${1:-}: files are left in $run"
	[ -z "$(ls /dev/dm-user 2>/dev/null)" ] || fail "${1:-}: a control node is left"
}

finish() {
	nothing_left "at the end"
	ok "no device, daemon or file is left"
	check "the module unloads" rmmod dm-user
	[ "$checks" -gt 0 ] || fail "nothing was checked"
	finished=1
	echo "PASS: $checks checks"
	exit 0
}

# fs_churn DIR ROUND: copy, move, link, truncate and remove trees, with syncs in between.
fs_churn() {
	local dir=$1 round=$2
	mkdir -p "$dir/a$round/b/c" || return 1
	cp -a /usr/sbin/dmsetup /usr/bin/bash /etc "$dir/a$round/b/" || return 1
	mv "$dir/a$round/b" "$dir/a$round/d" || return 1
	for i in $(seq 20); do
		echo "$round $i" >"$dir/a$round/f$i" || return 1
	done
	ln "$dir/a$round/f1" "$dir/a$round/hard" || return 1
	ln -s f2 "$dir/a$round/soft" || return 1
	rm "$dir/a$round"/f1? || return 1
	truncate -s 1000000 "$dir/a$round/f3" || return 1
	dd if=/dev/zero of="$dir/a$round/f4" bs=4k count=8 seek=100 conv=fsync,notrunc \
		2>/dev/null || return 1
	[ $((round % 2)) = 0 ] || sync
	[ "$round" -lt 3 ] || rm -r "$dir/a$((round - 2))" || return 1
}

# fs_test TYPE FSCK...: mkfs.TYPE, then load and churn with a handover, then FSCK.
fs_test() {
	local type=$1 round
	shift
	create "$name" "file:$disk,buffered" || fail "create"
	"mkfs.$type" "/dev/mapper/$name" >/tmp/mkfs 2>&1 || fail "mkfs.$type: $(cat /tmp/mkfs)"
	mount -t "$type" -o discard "/dev/mapper/$name" /mnt || fail "mount"
	fio --name=v --directory=/mnt --rw=randwrite --bs=4k --size=4M --io_size=2M --numjobs=2 \
		--fsync=32 --verify=crc32c --verify_fatal=1 --eta=never --output=/tmp/fio \
		>/dev/null 2>&1 &
	fio=$!
	for round in 1 2 3 4; do
		fs_churn /mnt "$round" || fail "churn $round"
		[ "$round" != 2 ] || handover "$name" "file:$disk,direct" >/dev/null ||
			fail "handover"
	done
	wait $fio || fail "fio: $(tail -n 30 /tmp/fio)"
	ok "$type: churned, and verified by fio, with a handover in it"
	(cd /mnt && find . -type f -print0 | xargs -0 sha256sum) >/tmp/sums || fail "checksums"
	is "a copied file" "$(sed -n 's, .*a4/d/bash$,,p' /tmp/sums)" \
		"$(sha256sum </usr/bin/bash | sed 's/ .*//')"
	umount /mnt || fail "umount"
	wait_for 20 "no process uses $name" unused "$name"
	check "$type: fsck says clean" fs_check "$@"
	echo 3 >/proc/sys/vm/drop_caches
	mount -t "$type" "/dev/mapper/$name" /mnt || fail "mount again"
	(cd /mnt && sha256sum -c /tmp/sums >/tmp/wrong 2>&1) || fail "$(grep -v ': OK$' /tmp/wrong)"
	ok "$(wc -l </tmp/sums) files have their bytes after a new mount"
	fstrim /mnt || fail "fstrim"
	umount /mnt || fail "umount"
	check "discards arrived" word_at_least discards 1
	is "errors" "$(word errors)" 0
	remove
	check "fsck of the backing disk" fs_check "${@/\/dev\/mapper\/$name/$disk}"
}

fs_check() {
	"$@" >/tmp/fsck 2>&1 || {
		cat /tmp/fsck
		return 1
	}
}

dmesg -n 1
modprobe dm-user || fail "modprobe dm-user"
