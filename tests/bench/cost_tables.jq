# SPDX-License-Identifier: GPL-2.0-or-later
# The tables of cost.json, for cost-text.jq and cost-page.jq: {title, head, rows}.

def thousands: tostring | [while(length > 0; .[:-3]) | .[-3:]] | reverse | join(",");
def decimals($n): if . < 0 then "-" + (-. | decimals($n)) else
	. * pow(10; $n) | round | tostring | until(length > $n; "0" + .) | .[:-$n] + "." + .[-$n:]
	end;
def or_dash(f): if . == null then "-" else f end;

# Half of the range of all batches, in percent of the median.
def spread: (.max - .min) / 2 / .median * 100;

def table($unit; $title; cell): . as $run
	| {
		title: $title,
		head: (["peer"] + (.loads | map(.name))),
		rows: [.peers[] as $peer | [$peer.name] + [$run.loads[] as $load
			| [$run.figures[] | select(.unit == $unit and .load == $load.name
				and .peer == $peer.name)][0] | or_dash(cell)]]
	};

def beside: "\(.to_linear | or_dash(decimals(2))) / \(.to_ublk | or_dash(decimals(2)))";
def value: "\(.median | thousands) ±\(spread | decimals(1))%";
def units: [.figures[].unit] | unique;

def tables:
	table("instructions"; "Instructions per I/O"; value),
	table("instructions"; "Instructions, as a multiple of dm-linear's / of ublk's"; beside),
	table("instructions"; "Context switches per I/O"; .switches | decimals(2)),
	if units | index("iops") then
		table("iops"; "I/Os a second"; value),
		table("iops"; "I/Os a second, as a multiple of dm-linear's / of ublk's"; beside)
	else empty end;

# What rows or extents of 4 KiB cost: memory, to be set, and 4 KiB I/O beside dm-linear.
def parts: . as $run
	| [.loads[].name | select(startswith("4k"))] as $loads
	| def figure($peer; $load): first(($run.figures[] | select(.unit == "instructions"
		and .peer == $peer and .load == $load)), null);
	{
		title: "Many extents",
		head: (["peer", "extents or rows", "bytes each", "to set one"] + $loads),
		rows: [.memory[] as $of | [$of.peer, ($of.parts | thousands),
			($of.bytes / $of.parts | decimals(1)),
			(figure($of.peer; "map") | or_dash(.median | thousands))]
			+ [$loads[] | figure($of.peer; .) | or_dash(.to_linear
				| or_dash(decimals(2)))]]
	};
