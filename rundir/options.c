// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "handover/peer.h"
#include "lib/options.h"
#include "rundir/directory.h"
#include "rundir/options.h"

static const struct argp_option options[] = {
	{ "run-dir", 'R', "DIR", 0, "parent of NAME's run directory (default " DMU_RUN_DIR ")", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	const char **run_dir = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		*run_dir = DMU_RUN_DIR;
		return 0;
	case 'R':
		*run_dir = value;
		if (*value == '/' && strlen(value) <= DMU_RUN_DIR_MAX)
			return 0;
		return dmu_option_refuse(
			state, "--run-dir: '%.80s' is not an absolute path of at most %d bytes",
			value, DMU_RUN_DIR_MAX);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp dmu_run_argp = { .options = options, .parser = parse };

error_t dmu_run_check(const struct argp_state *state, const char *run_dir, const char *name)
{
	if (strlen(run_dir) + strlen(name) + sizeof("//" DMU_SOCKET_NAME) <= DMU_SOCKET_PATH_MAX)
		return 0;
	return dmu_option_refuse(state, "--run-dir: '%s' is too long for a socket of %s in it",
				 run_dir, name);
}
