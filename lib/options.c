// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/dmuser.h"
#include "lib/launch.h"
#include "lib/number.h"
#include "lib/options.h"
#include "lib/text.h"

/* A failed write of --help or --version is a failure, too. */
static void flush_output(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return;
	fprintf(stderr, "%s: cannot write the output: %s\n", program_invocation_short_name,
		strerror(errno));
	_exit(DMU_EXIT_FAILED);
}

enum { OPTION_USAGE = 0x10000 };

static const struct argp_option options[] = {
	{ "help", 'h', NULL, 0, "print this text and exit", -1 },
	{ "usage", OPTION_USAGE, NULL, 0, "print a short usage message and exit", 0 },
	{ "version", 'V', NULL, 0, "print the version and exit", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	switch (key) {
	case 'h':
		argp_state_help(state, state->out_stream, ARGP_HELP_STD_HELP);
		return 0;
	case OPTION_USAGE:
		argp_state_help(state, state->out_stream, ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK);
		return 0;
	case 'V':
		/* The name of a subcommand's parser is "PROGRAM COMMAND". */
		fprintf(state->out_stream, "%.*s %s\n", (int)strcspn(state->name, " "),
			state->name, DMU_VERSION);
		if (!(state->flags & ARGP_NO_EXIT))
			exit(DMU_EXIT_DONE);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp dmu_options_argp = { .options = options, .parser = parse };

error_t dmu_options_parse(const struct argp *argp, const char *program, int argc, char **argv,
			  unsigned int flags, void *input)
{
	char **words = calloc((size_t)argc + 2, sizeof(*words));
	error_t status;
	int i;

	if (!words)
		return ENOMEM;
	words[0] = (char *)program;
	for (i = 1; i < argc; i++)
		words[i] = argv[i];
	argp_err_exit_status = DMU_EXIT_USAGE;
	/* argp does not check the numbers in it. */
	unsetenv("ARGP_HELP_FMT");
	atexit(flush_output);
	status = argp_parse(argp, argc > 0 ? argc : 1, words, flags | ARGP_NO_HELP, NULL, input);
	free(words);
	return status;
}

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
	argp_failure(state, argp_err_exit_status, 0, "%s", text);
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
