# SPDX-License-Identifier: GPL-2.0-or-later
# Make the report for a person, in 80 columns, out of report.json.

def left($n): tostring | . + (" " * ([$n - length, 0] | max));
def right($n): tostring | (" " * ([$n - length, 0] | max)) + .;
def or_dash: if . == null then "-" else . end;
def tenths: if . == null then "-" else (. * 10 | round) as $t | "\($t / 10 | floor).\($t % 10)" end;
def kib: if . == null then "-" else "\(. / 1024 | round) kB" end;
def line: "-" * 78;
def took($from; $to): if $from and $to then "\($to - $from)" else "-" end;

"",
line,
" dmuser: the report" + ("Linux \(.kernel), \(.accelerator), 2 processors" | right(59)),
line,
"",
" Timeline, in ms since the kernel started",
(.timeline[] | "  " + (.ms | right(8)) + "  " + .what),
"",
" Generations",
"  " + ("" | left(14)) + ("requests" | right(12)) + ("errors" | right(9)) + ("program" | right(12))
	+ ("resident" | right(13)) + ("locked" | right(13)),
(.generations[] | "  " + ("\(.generation)  \(.stage // "?")" | left(14))
	+ (.requests | or_dash | right(12))
	+ (.errors | or_dash | right(9)) + (.binary_bytes | kib | right(12))
	+ (if .resident_kib then "\(.resident_kib) kB" else "-" end | right(13))
	+ (if .locked_kib then "\(.locked_kib) kB" else "-" end | right(13))),
"",
" Handovers, in ms                               longest wait of any I/O",
"  generations  HELLO-READY    drain    all      5 s before    during   5 s after",
(.handovers[] | "  "
	+ ("\(.from // "?") -> \(.to // "?")" + (if .restart then " *" else "" end) | left(11))
	+ (took(.hello_ms; .ready_ms) | right(13))
	+ (took(.draining_ms; .drained_ms) | right(9))
	+ (took(.hello_ms; .exit_ms // .end_ms) | right(7))
	+ (.longest_stall_ms.before | tenths | right(16))
	+ (.longest_stall_ms.during | tenths | right(10))
	+ (.longest_stall_ms.after | tenths | right(12))),
(if any(.handovers[]; .restart) then "  * killed, and restarted by dmuser-watch" else empty end),
"  The longest wait outside any handover: \(.io.longest_wait_outside_handovers_ms | tenths) ms",
"",
" I/O",
"  errors                  \(.io.errors)",
"  fio, crc32c             \(.io.fio.writes) writes, \(.io.fio.reads) verified reads, "
		+ "\((.io.fio.written_bytes + .io.fio.read_bytes) / 1e6 | round) MB"
		+ " in \(.io.fio.jobs) jobs",
"  files, sha256           \(.io.files_verified) read and verified",
"  latency probe           \(.io.probe.samples) direct 4 kB reads and writes, one every 10 ms",
"",
(.checks | map(select(.ok)) | length) as $held
	| if .ok then " All \($held) checks held." else
		" \($held) of \(.checks | length) checks held. These did not:",
		(.failed[] | "  FAIL  " + .) end,
""
