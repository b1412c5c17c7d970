# SPDX-License-Identifier: GPL-2.0-or-later
# Make handovers, and the restarts among them, out of the events: the time of each step.

def first_of($events; $event): ($events | map(select(.event == $event)) | first | .ms);

# The killed daemon and its successor: no daemon serves between the two.
def restarts:
	. as $all
	| [range(length) | select($all[.].event == "kill")][]
	| $all[.:] as $mine
	| {
		restart: true,
		from: ($mine | map(select(.event == "died")) | first | .generation),
		to: ($mine | map(select(.event == "takeover")) | first | .generation),
		begin_ms: $mine[0].ms,
		hello_ms: $mine[0].ms,
		end_ms: first_of($mine; "takeover")
	};

. as $all
| [restarts] as $restarts
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
| . + $restarts
| sort_by(.begin_ms)
