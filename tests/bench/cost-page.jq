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
def names: [$run.loads[].name];
def all_ratios($peer): names | map(figure($peer; .).to_linear | decimals(2)) | together;
def listed: if length > 1 then together else .[0] end;
# Where among $loads the cost is at most $most times that of dm-linear: a sentence.
def goal($what; $peer; $most; $loads): [$loads[] | select(figure($peer; .).to_linear > $most)]
	| "The goal of at most \($most | decimals(2)) times\($what) is met in"
	+ " \($loads - . | length) of \($loads | length) columns"
	+ if . == [] then "." else ", not in \(listed)." end;
def rows_memory: $run.memory[] | select(.peer == "linear-16k");
def extents(f): $run.memory | map(select(.peer != "linear-16k") | f);
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
"## \(parts | .title)",
"",
("The kernel's memory for each, the instructions to set one, and 4 KiB I/O as a multiple of"
	+ " dm-linear's with one row." | paragraph),
(parts | markdown),
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
	+ " two. `brd` and `cached` have `extents=off`: the daemon does the I/O. `mapped` is the"
	+ " second stage without that, as it is shipped: the kernel maps the RAM disk, and the"
	+ " daemon sleeps. `retired` is that after `dmuserctl retire`." | item),
("**Extents**: of 4 KiB, each at another distance from the store than its neighbours, set by one"
	+ " ioctl in random order, and left without a daemon. The device is as large as they are"
	+ " many, so several may lie on the same sectors of the store. Their memory is that of the"
	+ " slab of maple trees; that of dm-linear's rows is the difference of what the kernel has"
	+ " in use." | item),
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
("**Mapped by the kernel**, the default for a block device behind `file:`: the loads cost"
	+ " \(all_ratios("dmuser-mapped")) times as much as on dm-linear, in the order of the"
	+ " tables."
	+ " \(goal(""; "dmuser-mapped"; 1.03; names))" | item),
("**Fsync, mapped**: a write with an fsync costs"
	+ " \(cost("dmuser-mapped"; "4k-write-fsync") | thousands), and"
	+ " \(cost("linear"; "4k-write-fsync") | thousands) on dm-linear:"
	+ " \(cost("dmuser-mapped"; "4k-write-fsync") - cost("linear"; "4k-write-fsync")
	| thousands) more. A RAM disk has no volatile cache, so dm-linear has none, and the block"
	+ " layer ends a flush before it is sent. This device always has one, because a daemon may"
	+ " hold data, so device-mapper sends each flush on. On a disk with a volatile cache, both"
	+ " do." | item),
("**Retired**: after `dmuserctl retire`, the device is dm-linear, and costs"
	+ " \(all_ratios("dmuser-retired")) times as much as one that always was." | item),
("**Many extents**: with \(extents(.parts | thousands) | together) extents, 4 KiB reads at"
	+ " depth 32 cost \(extents(figure(.peer; "4k-read-qd32").to_linear | decimals(2))
	| together) times as much as on"
	+ " dm-linear with one row; with 16,384 rows, that costs"
	+ " \(figure("linear-16k"; "4k-read-qd32").to_linear | decimals(2)) times as much."
	+ " \(goal(" for a million extents and 4 KiB"; "dmuser-extents-1m"; 1.1;
		names | map(select(startswith("4k")))))" | item),
("**Memory**: an extent takes"
	+ " \(extents(.bytes / .parts | decimals(1)) | unique | listed) bytes, at each of"
	+ " these numbers, and a row of dm-linear"
	+ " \(rows_memory | .bytes / .parts | decimals(1))." | item),
("**Long I/O**: 16,384 extents of 4 KiB cut a read of 128 KiB into 32, which cost"
	+ " \(cost("dmuser-extents-16k"; "128k-read-qd8") | thousands) together. As many rows of"
	+ " dm-linear cut it, too, which costs"
	+ " \(cost("linear-16k"; "128k-read-qd8") | thousands)." | item),
("**By the daemon**: reads cost \(costs("linear")) instructions on dm-linear, and"
	+ " \(costs("dmuser-brd-1")) where the daemon does the I/O from the same RAM disk:"
	+ " \(ratios("dmuser-brd-1"; .to_linear)) times as many." | item),
("**Beside ublk, same store**: \(ratios("dmuser-brd-1"; .to_ublk)) times as many. At depth 32,"
	+ " ublk switches context \(switches("ublk-brd"; "4k-read-qd32")) times for a read, dmuser"
	+ " \(switches("dmuser-brd-1"; "4k-read-qd32")) times." | item),
("**Transport beside transport**: reads that the server answers at once cost"
	+ " \(costs("ublk-null")) through ublk, and \(costs("dmuser-null-1")) through"
	+ " dmuser: \(ratios("dmuser-null-1"; .to_ublk)) times as many." | item),
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
	+ " \(cost("dmuser-brd-1"; "4k-write-fsync") | thousands) through a daemon of dmuser."
	| item),
($run.figures | map(select(.unit == "instructions" and .load != "map")) | max_by(spread) as $most
	| "**Spread**: it exceeds ±2% in \(map(select(spread > 2)) | length) of \(length) figures."
	+ " The greatest is that of \($most.peer) in \($most.load),"
	+ " ±\($most | spread | decimals(1))%." | item)
