# SPDX-License-Identifier: GPL-2.0-or-later
# jq -nR -f cost.jq TSV: summarize a run of tests/bench/cost. Every figure is of one load on one
# peer in one unit: the median of the rounds, where a round counts as the mean of its batches.

def median: sort | (length / 2 | floor) as $i | if length % 2 == 1 then .[$i]
	else (.[$i - 1] + .[$i]) / 2 end;
def mean: add / length;
# The ublk server with the same store.
def twin: if test("null|memory") then "ublk-null" elif test("tmpfs") then "ublk-tmpfs"
	else "ublk-brd" end;

[inputs | split("\t")] as $lines
| def notes($kind): $lines | map(select(.[0] == "# \($kind)"));
def note($kind): notes($kind)[0][1];
def named($kind): notes($kind) | map({ name: .[1], what: .[2] });
($lines | map(select(.[0] | test("^(instructions|iops)$"))
	| { unit: .[0], round: .[1], peer: .[2], load: .[3],
	    value: (.[5] | tonumber), switches: (.[6] | tonumber) })) as $batches
# By unit, load and peer, an object with the mean of each round.
| (reduce ($batches | group_by([.unit, .load, .peer, .round])[]) as $b ({};
	.[$b[0].unit][$b[0].load][$b[0].peer][$b[0].round] = ($b | map(.value) | mean))) as $rounds
| {
	kernel: note("kernel"), qemu: note("qemu"), processor: note("processor"),
	real: note("real"), date: note("date"),
	rounds: ($batches | map(.round) | unique | length),
	peers: named("peer"), loads: named("load"),
	memory: (notes("memory") | map({ peer: .[1], parts: (.[2] | tonumber),
		bytes: (.[3] | tonumber) })),
	figures: [$batches | group_by([.unit, .load, .peer])[] | .[0] as $f
		| ($rounds[$f.unit][$f.load]) as $means
		| def ratio($other): if $means[$other] then [$means[$f.peer] | to_entries[]
			| .value / $means[$other][.key]] | median else null end;
		{
			unit: $f.unit, load: $f.load, peer: $f.peer,
			median: ([$means[$f.peer][]] | median | round),
			min: (map(.value) | min), max: (map(.value) | max),
			to_linear: ratio("linear"), to_ublk: ratio($f.peer | twin),
			switches: (map(.switches) | mean)
		}]
}
