# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash disable=SC2034,SC2154
#
# The demonstrations' steps on a running root, each with its checks: load, handover, and death.
# Needs lib.sh.

# Wait for at most $1 tenths of a second until the command in $2... succeeds.
wait_until() {
	tries=$1
	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

# Record generation $1's data for the report while it serves: VmLck and the like go when it leaves.
status_of() {
	dmuserctl status --json "$name" >"$data/status-$1.json"
	pid='' device=''
	read -r pid device <<-END
		$(jq -r '"\(.daemon.pid) \(.major):\(.minor)"' "$data/status-$1.json")
	END
	[ -d "/proc/$pid" ] || return 1
	cat "/proc/$pid/status" >"$data/proc-$1"
	stat -L -c %s "/proc/$pid/exe" >"$data/size-$1"
}

# status_says GENERATION EXPRESSION: jq finds the expression true of the recorded status.
status_says() {
	jq -e "$2" "$data/status-$1.json" >/dev/null
}

confinement_holds() {
	"$here/confinement" "$pid" "$device" "$2" >"$data/confinement-$1"
}

# handover GENERATION: replace the serving daemon by GENERATION.
handover() {
	generation=$1
	event handover-begin "to=$generation"
	check "handover-$generation" "dmuserctl handover $name: generation $generation" \
		run_handover "$generation"
	event handover-end "to=$generation"
	handed_over "$generation"
}

# handed_over GENERATION: check that GENERATION serves, and how.
handed_over() {
	generation=$1
	status_of "$generation"
	check "generation-$generation" "generation $generation serves, the node is sealed" \
		status_says "$generation" ".generation == $generation and .sealed"
	check "confinement-$generation" \
		"generation $generation is confined, and keeps off the root (13 checks in /proc)" \
		confinement_holds "$generation" second
}

run_handover() {
	dmuserctl handover --timeout "$timeout_ms" --json "$name" \
		>"$data/handover-$1.json" 2>"$data/handover-$1.err" ||
		{ note "$(head -n 1 "$data/handover-$1.err")"; return 1; }
}

# death GENERATION: kill the serving daemon while nothing of the root is cached. GENERATION must
# start without help.
death() {
	generation=$1
	status_of $((generation - 1))
	echo 3 >/proc/sys/vm/drop_caches
	event kill "pid=$pid"
	kill -KILL "$pid"
	check "restart-$generation" "generation $generation serves, without help" \
		dmuserctl wait --timeout "$timeout_ms" --generation "$generation" "$name"
	handed_over "$generation"
	check "restarts-$generation" "dmuser-watch has counted 1 restart" \
		wait_until 200 restart_counted
}

restart_counted() {
	dmuserctl status --json "$name" | jq -e ".watchdog.restarts == 1"
}

load_begin() {
	"$here/load" "$@" &
	load=$!
}

load_held() {
	: >"$data/stop-$1"
	wait "$load"
}

# Let the load run for as long as the report looks before and after a handover, and until the device
# has seen $1 more I/Os: on a slow machine the load may not have begun yet.
under_load() {
	disk=$(readlink -f "$node")
	disk=${disk##*/}
	read -r reads _ _ _ writes _ <"/sys/block/$disk/stat"
	target=$((reads + writes + $1))
	sleep 6
	while [ $((reads + writes)) -lt "$target" ] && kill -0 "$load"; do
		sleep 0.2
		read -r reads _ _ _ writes _ <"/sys/block/$disk/stat"
	done
}
