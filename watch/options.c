// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handover/peer.h"
#include "lib/launch.h"
#include "lib/options.h"
#include "rundir/options.h"
#include "watch/watch.h"

#define MS_MAX		3600000
#define DELAY_MAX_MS	30000
#define STEADY_MS	60000
#define PATIENCE_MS	60000

static const struct argp_option options[] = {
	{ "delay-max", 'd', "MS", 0, "longest pause before a restart (default 30000)", 0 },
	{ "foreground", 'f', NULL, 0, "do not detach; wait while another dmuser-watch watches", 0 },
	{ "patience", 'p', "MS", 0, "kill a daemon that has not started by then (default 60000)",
	  0 },
	{ "steady", 's', "MS", 0,
	  "no pause before a restart if the daemon has served so long (default 60000)", 0 },
	{ "timeout", 't', "MS", 0, "the daemon's --timeout (default: its own)", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct watch_options *into = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &into->run_dir;
		return 0;
	case 'd':
		return dmu_option_number(state, "delay-max", value, 1, MS_MAX, &into->delay_max_ms);
	case 'p':
		return dmu_option_number(state, "patience", value, 100, MS_MAX, &into->patience_ms);
	case 's':
		return dmu_option_number(state, "steady", value, 0, MS_MAX, &into->steady_ms);
	case 't':
		return dmu_option_number(state, "timeout", value, DMU_TIMEOUT_MIN_MS,
					 DMU_TIMEOUT_MAX_MS, &into->timeout_ms);
	case 'f':
		into->foreground = true;
		return 0;
	case ARGP_KEY_ARG:
		if (into->name) {
			return dmu_option_refuse(state, "'%.80s' is one operand too many", value);
		}
		into->name = value;
		return dmu_option_name(state, "NAME", value);
	case ARGP_KEY_NO_ARGS:
		return dmu_option_refuse(state, "no NAME given (see --help)");
	case ARGP_KEY_SUCCESS:
		return dmu_run_check(state, into->run_dir, into->name);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void watch_options_parse(struct watch_options *into, int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ &dmu_run_argp, 0, NULL, 0 }, { &dmu_options_argp, 0, NULL, 0 }, { 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "NAME",
		.doc = "Stays in memory, and starts the daemon of the dm-user device NAME again "
		       "when it has died.\v"
		       "Exit status: 0 it watches, or with --foreground the device is gone or a "
		       "signal ended it; 1 failed, 2 usage.",
		.children = children,
	};

	*into = (struct watch_options){
		.delay_max_ms = DELAY_MAX_MS, .steady_ms = STEADY_MS, .patience_ms = PATIENCE_MS,
	};
	if (dmu_options_parse(&argp, WATCH_PROGRAM, argc, argv, 0, into))
		exit(DMU_EXIT_FAILED);
}
