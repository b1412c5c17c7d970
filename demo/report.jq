# SPDX-License-Identifier: GPL-2.0-or-later
# The report of one run: see demo/report.

def what:
	if .event == "init" then "the initramfs runs"
	elif .event == "module" then "kernel module dm-user loaded"
	elif .event == "table" then "table loaded, /dev/mapper/\(.name) exists"
	elif .event == "serving" then
		"generation \(.generation) (\(.program)): first request answered"
	elif .event == "mounted" then "root mounted read-write from \(.device)"
	elif .event == "switch_root" then "switch_root"
	elif .event == "ready" then "generation \(.generation) is READY"
	elif .event == "draining" then "generation \(.generation) takes no new request"
	elif .event == "drained" then
		"generation \(.generation) is drained: \(.requests) requests answered"
	elif .event == "sealed" then "the control node is sealed"
	elif .event == "kill" then "the daemon is killed"
	elif .event == "restart" then
		"dmuser-watch has started generation \(.generation), after \(.down_ms) ms with none"
	elif .event == "exit" then "generation \(.generation) has left"
	elif .event == "unmounted" then "the root is unmounted"
	elif .event == "removed" then "the device is removed, no daemon is left"
	elif .event == "rollback" or .event == "peer-killed" then
		"generation \(.generation): \(.event): \(.reason)"
	else empty
	end;

def timeline:
	[$events[0][]
		| what as $what
		| { ms: (if .event == "serving" then (.first_answer_ms // .ms | tonumber)
			 else .ms end),
		    event, generation: (if .generation > 0 then .generation else null end),
		    what: $what }]
	| sort_by(.ms);

def generations:
	[$events[0][] | select(.event == "drained")] as $drained
	| [$processes | group_by(.generation)[] | last | select(.generation)
		| .generation as $n
		| (first($drained[] | select(.generation == $n)) // null) as $last
		| { generation, stage,
		    requests: (if $last then $last.requests | tonumber else .requests_so_far end),
		    errors: (if $last then $last.errors | tonumber else 0 end),
		    binary_bytes, locked_kib, resident_kib }];

{
	kernel: $release,
	accelerator: $accelerator,
	ok: ($checks | length > 0 and all(.ok)),
	failed: [$checks[] | select(.ok | not) | .text],
	timeline: timeline,
	generations: generations,
	handovers: [$handovers[0][] | . as $handover
		| . + { longest_stall_ms:
			(first($stalls[] | select(.to == $handover.to) | del(.to)) // null) }],
	io: {
		errors: ($fio.errors + $samples[1] + ($processes | map(.errors // 0) | max // 0)),
		fio: $fio,
		files_verified: $files,
		longest_wait_outside_handovers_ms: (first($stalls[] | select(.to == 0)) | .outside),
		probe: { samples: $samples[0], errors: $samples[1] }
	},
	checks: $checks
}
