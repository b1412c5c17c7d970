// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/dmuser.h"
#include "lib/launch.h"
#include "lib/number.h"
#include "lib/options.h"

static void print_version(FILE *stream, struct argp_state *state)
{
	/* The name of a subcommand's parser is "PROGRAM COMMAND". */
	fprintf(stream, "%.*s %s\n", (int)strcspn(state->name, " "), state->name, DMU_VERSION);
}

void dmu_options_begin(void)
{
	argp_err_exit_status = DMU_EXIT_USAGE;
	argp_program_version_hook = print_version;
}

static const struct argp_option options[] = {
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	if (key != 'h')
		return ARGP_ERR_UNKNOWN;
	argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
	return 0;
}

const struct argp dmu_options_argp = { .options = options, .parser = parse };

error_t dmu_option_refuse(const struct argp_state *state, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/*
	 * Not argp_error(), whose last line is not the reason: dmuserctl tells its caller the last
	 * line of a daemon.
	 */
	argp_failure(state, argp_err_exit_status, 0, "%s (see --help)", text);
	return EINVAL;
}

error_t dmu_option_number(const struct argp_state *state, const char *option, const char *text,
			  uint64_t min, uint64_t max, uint64_t *value)
{
	if (!dmu_number_parse(value, text, min, max))
		return 0;
	return dmu_option_refuse(state, "--%s: '%.40s' is not a number from %llu to %llu", option,
				 text, (unsigned long long)min, (unsigned long long)max);
}

error_t dmu_option_name(const struct argp_state *state, const char *option, const char *text)
{
	if (dmu_name_valid(text))
		return 0;
	return dmu_option_refuse(state, "%s: '%.80s' is not a name (A-Z a-z 0-9 _ . + -, up to %d)",
				 option, text, DMU_NAME_MAX);
}
