# SPDX-License-Identifier: GPL-2.0-or-later
# The events in, the handovers out: when each came to which step.

def first_of($events; $event): ($events | map(select(.event == $event)) | first | .ms);

. as $all
| [to_entries[] | select(.value.event == "handover-begin")] as $begins
| [range($begins | length) as $i
	| $begins[$i].key as $from
	| ($begins[$i + 1].key // ($all | length)) as $till
	| $all[$from:$till] as $mine
	| {
		from: ($mine | map(select(.event == "draining")) | first | .generation),
		to: ($mine | map(select(.event == "ready")) | first | .generation),
		begin_ms: $begins[$i].value.ms,
		hello_ms: first_of($mine; "hello"),
		ready_ms: first_of($mine; "ready"),
		draining_ms: first_of($mine; "draining"),
		drained_ms: first_of($mine; "drained"),
		exit_ms: first_of($mine; "exit"),
		end_ms: first_of($mine; "handover-end")
	}]
