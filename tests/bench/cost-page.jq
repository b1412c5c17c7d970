# SPDX-License-Identifier: GPL-2.0-or-later
# Print docs/performance.md out of cost.json. Each number in its text comes from there.
include "cost_tables";

# Wrap a text: its first line begins with $first, the next lines with $next.
def fill($first; $next): split(" ") | reduce .[1:][] as $word ([$first + .[0]];
	if .[-1] + " " + $word | length <= 100 then .[-1] += " " + $word
	else . + [$next + $word] end) | .[];
def paragraph: fill(""; ""), "";
def item: fill("- "; "  ");

def row: "| " + join(" | ") + " |";
def markdown: (.head | row), "|" + "---|" * (.head | length), (.rows[] | row), "";

. as $run
| ([tables]) as $tables
| def figure($peer; $load): first($run.figures[]
	| select(.unit == "instructions" and .peer == $peer and .load == $load));
def cost($peer; $load): figure($peer; $load).median;
def together: "\(.[:-1] | join(", ")) and \(.[-1])";
def reads: ["4k-read-qd1", "4k-read-qd32", "128k-read-qd8"];
def costs($peer): reads | map(cost($peer; .) | thousands) | together;
def ratios($peer; ratio): reads | map(figure($peer; .) | ratio | decimals(2)) | together;
def switches($peer; $load): figure($peer; $load).switches | decimals(2);
# The least and the greatest extra cost of peers beside others, over stores and loads. Figures that
# spread too much are left out.
def extra(of; beside): [("tmpfs", "brd", "cached") as $store | $run.loads[].name
	| select(all(figure($store | of, beside; .); spread <= 2))
	| (cost($store | of; .) / cost($store | beside; .) - 1) * 100]
	| "\(min | decimals(1))% to \(max | decimals(1))%";

"# What an I/O costs",
"",
("`make bench` measures what an I/O costs through dmuser, and through other block devices. It"
	+ " writes this page and `tests/bench/cost.tsv`, where the figures come from;"
	+ " [tests/bench/README.md](../tests/bench/README.md) says how to measure a part of it."
	| paragraph),
"![instructions for one I/O, for each device and load](performance.png)",
"",
"## \($tables[0].title)",
"",
"The median of \($run.rounds) rounds, ± half of the range of all batches.",
"",
($tables[0] | markdown),
"## Beside dm-linear and ublk",
"",
("\($tables[1].title) with the same store; `null` and `memory` beside `ublk-null`."
	| paragraph),
($tables[1] | markdown),
"## \($tables[2].title)",
"",
"Those of all processes and kernel threads.",
"",
($tables[2] | markdown),
"## I/Os a second",
"",
if $tables[3] then
	("On two processors of \($run.processor), by \($run.real), in another boot. The median of"
		+ " \($run.rounds) rounds, ± half of the range of all batches." | paragraph),
	($tables[3] | markdown),
	("\($tables[4].title) with the same store." | paragraph),
	($tables[4] | markdown)
else
	("Not measured: the machine of this run could boot no guest under KVM, and the time of an"
		+ " emulated processor says nothing." | paragraph)
end,
"## How it was measured",
"",
("On \($run.date), on Debian's kernel \($run.kernel), all rows in one boot of a guest, by"
	+ " \($run.qemu)." | paragraph),
("**Instructions**: the guest has one processor, whose clock is the number of its instructions."
	+ " All count: the client's, the kernel's, the server's, and those of timer ticks. Misses"
	+ " of caches and wake-ups across processors are not in the figures. The kernel's"
	+ " mitigations are off, and the processor has no fast `rep movsb`, of which the emulator"
	+ " would count every byte." | item),
("**Client**: one process, by libaio and O_DIRECT. It begins each I/O that has ended anew at"
	+ " once, so the depth stays the same. A first batch is dropped, then two count. No"
	+ " scheduler and no merging: an I/O is a request." | item),
("**Rounds**: each goes over all devices, and begins with another device." | item),
("**Stores**: `brd` is a RAM disk of 64 MiB, `tmpfs` a file of that size, both written before. The"
	+ " servers of ublk, nbd and `dmuser-brd` open the RAM disk O_DIRECT, `dmuser-cached` opens"
	+ " it buffered. The client reads a device once before the loads, so buffered reads find"
	+ " the page cache." | item),
("**ublk**, **nbd**: the small servers in `tests/bench/ways/`, with one thread: one queue of"
	+ " ublk, by io_uring with DEFER_TASKRUN; one Unix socket of nbd." | item),
("**dmuser**: `-1` and `-4` are the channels, with a thread each. `-second` is served by the"
	+ " confined second stage, `tmpfs`, `brd` and `cached` by the first stage. `null` answers"
	+ " at once, `memory` copies from and to the daemon's memory; no shipped daemon has these"
	+ " two." | item),
"",
"| device | what it is |",
"|---|---|",
(.peers[] | [.name, .what] | row),
"",
"| load | what it does |",
"|---|---|",
(.loads[] | [.name, .what] | row),
"",
"## What can be read from it",
"",
"Reads are of 4 KiB at depth 1, of 4 KiB at depth 32, and of 128 KiB at depth 8, in this order.",
"",
("**Beside a table**: reads cost \(costs("linear")) instructions on dm-linear, and"
	+ " \(costs("dmuser-brd-1")) through dmuser from the same RAM disk:"
	+ " \(ratios("dmuser-brd-1"; .to_linear)) times as many." | item),
("**Beside ublk, same store**: \(ratios("dmuser-brd-1"; .to_ublk)) times as many. At depth 32,"
	+ " ublk switches context \(switches("ublk-brd"; "4k-read-qd32")) times for a read, dmuser"
	+ " \(switches("dmuser-brd-1"; "4k-read-qd32")) times." | item),
("**Transport beside transport**: reads that the server answers at once cost"
	+ " \(costs("ublk-null")) through ublk, and \(costs("dmuser-null-1")) through"
	+ " dmuser: \(ratios("dmuser-null-1"; .to_ublk)) times as many." | item),
("**Mapped by the kernel**: with one extent over the whole device, and no daemon, reads cost"
	+ " \(costs("dmuser-mapped")): \(ratios("dmuser-mapped"; .to_linear)) times as many as on"
	+ " dm-linear. With 16,384 extents, which cut the long reads, they cost"
	+ " \(costs("dmuser-extents")). A write with an fsync costs"
	+ " \(cost("dmuser-mapped"; "4k-write-fsync") | thousands): this device always takes"
	+ " flushes, because a daemon may hold data, and dm-linear on a RAM disk does not." | item),
("**Bytes from the daemon's memory**: reads cost \(costs("dmuser-memory-1")) with that"
	+ " copy." | item),
("**Channels**: four channels instead of one cost"
	+ " \(extra("dmuser-\(.)-4"; "dmuser-\(.)-1")) more, over the stores and loads whose"
	+ " figures spread by at most ±2%. What they gain on several processors is not in these"
	+ " figures." | item),
("**Confinement**: the second stage costs"
	+ " \(extra("dmuser-\(.)-second-1"; "dmuser-\(.)-1")) more than the first, over the same"
	+ " stores and loads, with one channel." | item),
("**Flushes**: a 4 KiB write with an fsync costs \(cost("linear"; "4k-write-fsync") | thousands)"
	+ " on dm-linear, \(cost("ublk-brd"; "4k-write-fsync") | thousands) through ublk, and"
	+ " \(cost("dmuser-brd-1"; "4k-write-fsync") | thousands) through dmuser." | item),
($run.figures | map(select(.unit == "instructions")) | max_by(spread) as $most
	| "**Spread**: it exceeds ±2% in \(map(select(spread > 2)) | length) of \(length) figures."
	+ " The greatest is that of \($most.peer) in \($most.load),"
	+ " ±\($most | spread | decimals(1))%." | item)
