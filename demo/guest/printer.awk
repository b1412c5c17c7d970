# SPDX-License-Identifier: GPL-2.0-or-later
#
# Read the kernel log, and print what the demonstration shows: its headings, its remarks, and the
# daemons' events in words. A record of /dev/kmsg is PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT; a
# line of the console is [SECONDS] TEXT. With -v color=1, print in colour.

function paint(code, text) {
	return color ? "\033[" code "m" text "\033[0m" : text
}

# The value of key=value in the record, or key="value with blanks".
function field(key,    at, rest) {
	at = index(text, " " key "=")
	if (!at)
		return ""
	rest = substr(text, at + length(key) + 2)
	if (substr(rest, 1, 1) == "\"") {
		rest = substr(rest, 2)
		return substr(rest, 1, index(rest, "\"") - 1)
	}
	return match(rest, / /) ? substr(rest, 1, RSTART - 1) : rest
}

function words(event, generation,    who) {
	who = "generation " generation
	if (event == "init")
		return "Linux " field("kernel") " runs the initramfs"
	if (event == "module")
		return "kernel module dm-user loaded"
	if (event == "table")
		return "table loaded: /dev/mapper/" field("name") ", control node /dev/dm-user/" \
			field("name")
	if (event == "mounted")
		return "root mounted read-write from " field("device")
	if (event == "switch_root")
		return "switch_root"
	if (event == "takeover")
		return paint("32", who " has taken over")
	if (event == "serving")
		return paint("32", who " serves") " (" ident ")"
	if (event == "hello")
		return "a newcomer says HELLO to " who
	if (event == "offer")
		return who " hands generation " field("to") " its channels"
	if (event == "ready")
		return paint("32", who " is READY")
	if (event == "draining")
		return who " takes no new request, answers what it holds"
	if (event == "drained")
		return who " is drained, after " field("requests") " requests and " \
			field("errors") " errors"
	if (event == "sealed")
		return "control node sealed"
	if (event == "exit")
		return who " has left"
	if (event == "kill")
		return paint("31", "SIGKILL to the daemon, pid " field("pid"))
	if (event == "died")
		return paint("31", who " is dead")
	if (event == "restart")
		return "dmuser-watch has started generation " generation ", after " \
			field("down_ms") " ms with none"
	if (event == "restart-failed")
		return paint("31", "dmuser-watch: " field("reason"))
	if (event == "rollback" || event == "peer-killed")
		return paint("31", who ": " event ": " field("reason"))
	if (event == "unmounted")
		return "root unmounted"
	if (event == "removed")
		return "device removed, no daemon left"
	return who ": " event
}

{
	text = $0
	# Another program may have begun a line on the console.
	sub(/^([0-9]+,[^;]*;|.*\[ *[0-9]+\.[0-9]+\] )/, "", text)
	if (!match(text, /^dmuser-[a-z]+: /))
		next
	ident = substr(text, 1, RLENGTH - 2)
	event = field("event")
	ms = field("ms")
	if (event ~ /^(handover-.*|watch)$/)
		next
	if (event == "end")
		exit
	if (event == "") {
		line = paint("31", text)
	} else if (event == "step") {
		printf "\n%s\n", paint("1;36", " " field("number") "  " field("text"))
		fflush()
		next
	} else if (event == "note") {
		line = field("text")
	} else if (event == "check") {
		line = field("result") == "ok" ? paint("32", "ok") "  " : paint("1;31", "FAIL") "  "
		line = line field("text")
	} else {
		line = words(event, field("generation"))
	}
	if (ms == "")
		printf "             %s\n", line
	else
		printf "  %9.3f  %s\n", ms / 1000, line
	fflush()
}
