# SPDX-License-Identifier: GPL-2.0-or-later
# Print the tables of cost.json for a terminal.
include "cost_tables";

def left($n): . + " " * ($n - length);
def right($n): " " * ($n - length) + .;

(tables, (select(.memory != []) | parts) | .title,
	(.head, .rows[] | (.[0] | left(24)) + (.[1:] | map(right(17)) | join(""))), ""),
(.figures | map(select(.unit == "instructions" and spread > 2) | "\(.peer) in \(.load)")
	| select(length > 0) | "Beyond ±2%, so compare with care: \(join(", "))")
