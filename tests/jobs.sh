# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2154 # variables that tests/run sets
# Run jobs side by side, the longest first. tests/run sources this file, sets $slots, $logs and
# $durations, adds jobs, defines "report JOB STATUS" for the end of a job, and calls jobs_run.

# The jobs, in arrays of the same index: name, kernel or "-", slots, expected seconds, command.
names=() on=() width=() seconds=() commands=()

# Seconds by "name kernel"; by name alone, the most on any kernel.
declare -A took

# Read tests/durations, a copy of such a file for fresh clones, and over it the last durations here.
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

# job_add NAME KERNEL SLOTS COMMAND...: a job of unknown duration is taken for a long one, 60 s.
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

# Set $order to the jobs' indices, longest first.
jobs_sort() {
	mapfile -t order < <(for job in "${!names[@]}"; do
		echo "${seconds[job]} $job"
	done | sort -k 1,1nr -k 2,2n | cut -d' ' -f2)
}

# Set $next to the longest job that fits into the free slots. Fail if none does, or if a longer job
# has been passed over 8 times per slot: then it must be next.
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

# Print each job that has run for 60 s or more, with the last line of its log.
jobs_progress() {
	local pid job line
	for pid in "${!running[@]}"; do
		job=${running[$pid]}
		[ $((SECONDS - started[job])) -ge 60 ] || continue
		line=$(tail -n 1 "$(job_log "$job")" | tr -d '\0\r' | cut -c1-120)
		echo "... $(job_title "$job") $((SECONDS - started[job])) s${line:+: $line}"
	done
	# Its end is the time to print again.
	sleep 60 &
	tick=$!
}

# Wait for one job to end, or for the next time to print progress.
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

# shellcheck disable=SC2317 # the traps call it
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
