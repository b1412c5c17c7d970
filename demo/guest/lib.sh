# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# Shared by the demonstration's scripts: events in the kernel log, which printer.awk shows and the
# report reads, and checks. All records are in $data, a tmpfs, until power-off writes them to the
# results disk.

# The scripts that include this use it.
# shellcheck disable=SC2034
{
	data=/run/demo
	name=root
	node=/dev/mapper/root
	results=/dev/vdb
	timeout_ms=60000
	here=/usr/lib/dm-user
}

# Milliseconds since the kernel started.
now_ms() {
	read -r uptime _ </proc/uptime
	echo "${uptime%.*}${uptime#*.}0"
}

# event NAME [KEY=VALUE...]
event() {
	event=$1
	shift
	echo "<5>dmuser-demo: event=$event name=$name generation=0 ms=$(now_ms) $*" >/dev/kmsg
}

# step NUMBER TEXT: a heading.
step() {
	event step "number=$1 text=\"$2\""
}

note() {
	event note "text=\"$*\""
}

# processes MOMENT: record the output of ps without kernel threads, and the file system of each
# program; see demo/processes.
processes() {
	ps -o pid,ppid,stat,args | awk '$1 != 2 && $2 != 2 && !/ (ps|awk) /' >"$data/ps-$1"
	for dir in /proc/[0-9]*; do
		place=$(stat -L -f -c %T "$dir/exe" 2>/dev/null) && echo "${dir#/proc/} $place"
	done >"$data/places-$1"
}

# check ID TEXT COMMAND...: the demonstration fails unless COMMAND succeeds.
check() {
	id=$1 text=$2 result=ok
	shift 2
	"$@" || result=FAIL
	printf '%s\t%s\t%s\n' "$result" "$id" "$text" >>"$data/checks"
	event check "result=$result id=$id text=\"$text\""
}
