# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2154 # what it has from there
# Jobs side by side, the longest first, for tests/run, which has $slots, $logs and $durations; it adds jobs, defines
# report JOB STATUS, which says what the end of one means, and calls jobs_run.

# What is to do, in arrays of the same index: name, kernel or "-", slots, how long it takes, and a command.
names=() on=() width=() seconds=() commands=()

# In seconds, by "name kernel"; by name alone the longest on any kernel.
declare -A took

# What the last run here took; on a fresh clone what is in the sources, which was copied from such a file.
jobs_durations() {
	local time name kernel
	while read -r time name kernel; do
		took[$name $kernel]=$time
		[ "$time" -le "${took[$name]:-0}" ] || took[$name]=$time
	done < <(cat tests/durations "$durations" 2>/dev/null)
}

jobs_keep_durations() {
	local key
	for key in "${!took[@]}"; do
		[[ $key != *\ * ]] || echo "${took[$key]} $key"
	done | sort -k 1,1nr -k 2 >"$durations.new"
	mv "$durations.new" "$durations"
}

# job_add NAME KERNEL SLOTS COMMAND...: one that nobody knows is taken for a long one.
job_add() {
	names+=("$1") on+=("$2") width+=("$(($3 < slots ? $3 : slots))") commands+=("${*:4}")
	seconds+=("${took[$1 $2]:-${took[$1]:-60}}")
}

job_log() {
	local name=${names[$1]}
	[ "${on[$1]}" = - ] || name+=.${on[$1]}
	echo "$logs/$name.log"
}

# "NAME (KERNEL)"
job_title() {
	echo "${names[$1]}$([ "${on[$1]}" = - ] || echo " (${on[$1]})")"
}

# Leave the jobs' indices in $order, longest first.
jobs_sort() {
	mapfile -t order < <(for job in "${!names[@]}"; do
		echo "${seconds[job]} $job"
	done | sort -k 1,1nr -k 2,2n | cut -d' ' -f2)
}

# Leave in $next the longest job that fits into the free slots, if there is one. One that does not fit is passed over so
# often only, and then waited for.
job_next() {
	local place
	for place in "${!order[@]}"; do
		next=${order[place]}
		if [ "${width[next]}" -le "$free" ]; then
			unset "order[place]"
			return 0
		fi
		overtaken[next]=$((${overtaken[next]:-0} + 1))
		[ "${overtaken[next]}" -le $((8 * slots)) ] || return 1
	done
	return 1
}

job_start() {
	local command
	started[$1]=$SECONDS
	read -r -a command <<<"${commands[$1]}"
	("${command[@]}") >"$(job_log "$1")" 2>&1 </dev/null &
	running[$!]=$1
	free=$((free - width[$1]))
}

# What is slow says so, and what it does now: the last line of its log.
jobs_progress() {
	local pid job line
	for pid in "${!running[@]}"; do
		job=${running[$pid]}
		[ $((SECONDS - started[job])) -ge 60 ] || continue
		line=$(tail -n 1 "$(job_log "$job")" | tr -d '\0\r' | cut -c1-120)
		echo "... $(job_title "$job") $((SECONDS - started[job])) s${line:+: $line}"
	done
	# When to look again; nothing waits for that.
	sleep 60 &
	tick=$!
}

# Wait for one job to end.
job_reap() {
	local pid='' status=0 job
	wait -n -p pid || status=$?
	if [ "$pid" = "$tick" ]; then
		jobs_progress
		return
	fi
	[ -n "${running[$pid]:-}" ] || return 0
	job=${running[$pid]}
	unset "running[$pid]"
	free=$((free + width[job]))
	seconds[job]=$((SECONDS - started[job]))
	[ "$status" -ne 0 ] || took[${names[job]} ${on[job]}]=${seconds[job]}
	report "$job" "$status"
}

# shellcheck disable=SC2317 # called by the traps
jobs_stop() {
	trap - INT TERM
	kill "$tick" "${!running[@]}" 2>/dev/null || true
	wait
	exit "$1"
}

jobs_run() {
	local free=$slots tick='' next order overtaken=() started=()
	local -A running
	mkdir -p "$logs"
	trap 'jobs_stop 130' INT
	trap 'jobs_stop 143' TERM
	jobs_sort
	jobs_progress
	while [ ${#order[@]} -gt 0 ] || [ ${#running[@]} -gt 0 ]; do
		if job_next; then
			job_start "$next"
		else
			job_reap
		fi
	done
	trap - INT TERM
	kill "$tick"
	jobs_keep_durations
}
