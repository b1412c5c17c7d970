// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/options.h"
#include "daemon/query.h"
#include "handover/peer.h"
#include "lib/launch.h"
#include "rundir/directory.h"

/* What stands on the line is being read into this. */
struct dmu_options_parser {
	struct dmu_daemon_options *options;
	const struct dmu_stage *stage;
};

__attribute__((format(printf, 2, 3)))
static int dmu_options_refuse(const struct dmu_options_parser *parser, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", parser->stage->program);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return DMU_EXIT_USAGE;
}

static int dmu_options_number(const struct dmu_options_parser *parser, const char *what,
			      const char *text, unsigned int min, unsigned int max,
			      unsigned int *value)
{
	unsigned long number = 0;
	char *end = NULL;

	errno = 0;
	if (isdigit((unsigned char)*text))
		number = strtoul(text, &end, 10);
	if (!end || *end || errno || number < min || number > max)
		return dmu_options_refuse(parser, "%s: '%.40s' is not a number from %u to %u", what,
					  text, min, max);
	*value = (unsigned int)number;
	return -1;
}

static int dmu_options_name(const struct dmu_options_parser *parser, const char *what,
			    const char *text, char *name)
{
	if (!dmu_name_valid(text))
		return dmu_options_refuse(
			parser, "%s: '%.80s' is not a name (A-Z a-z 0-9 _ . + -, up to %d)", what,
			text, DMU_NAME_MAX);
	snprintf(name, DMU_NAME_MAX + 1, "%s", text);
	return -1;
}

static int dmu_set_channels(struct dmu_options_parser *parser, const char *value)
{
	return dmu_options_number(parser, "--channels", value, 1, DMU_WIRE_CHANNELS_MAX,
				  &parser->options->channels);
}

static int dmu_set_timeout(struct dmu_options_parser *parser, const char *value)
{
	return dmu_options_number(parser, "--timeout", value, DMU_TIMEOUT_MIN_MS,
				  DMU_TIMEOUT_MAX_MS, &parser->options->timeout_ms);
}

static int dmu_set_foreground(struct dmu_options_parser *parser, const char *value)
{
	parser->options->foreground = true;
	return -1;
}

static int dmu_set_takeover(struct dmu_options_parser *parser, const char *value)
{
	parser->options->takeover = true;
	return -1;
}

static int dmu_set_ctl(struct dmu_options_parser *parser, const char *value)
{
	return dmu_options_name(parser, "--ctl", value, parser->options->ctl);
}

static int dmu_set_run_dir(struct dmu_options_parser *parser, const char *value)
{
	struct dmu_daemon_options *options = parser->options;

	if (*value != '/' || strlen(value) >= sizeof(options->run_dir))
		return dmu_options_refuse(
			parser, "--run-dir: '%.80s' is not an absolute path of at most %zu bytes",
			value, sizeof(options->run_dir) - 1);
	snprintf(options->run_dir, sizeof(options->run_dir), "%s", value);
	return -1;
}

static int dmu_set_verbose(struct dmu_options_parser *parser, const char *value)
{
	parser->options->verbose = true;
	return -1;
}

static int dmu_show_sources(struct dmu_options_parser *parser, const char *value)
{
	return dmu_query_answer(DMU_QUERY_SOURCES, parser->stage->program, value);
}

static int dmu_show_identity(struct dmu_options_parser *parser, const char *value)
{
	return dmu_query_answer(DMU_QUERY_IDENTITY, parser->stage->program, value);
}

static int dmu_show_help(struct dmu_options_parser *parser, const char *value);

static int dmu_show_version(struct dmu_options_parser *parser, const char *value)
{
	printf("%s %s\n", parser->stage->program, DMU_VERSION);
	return DMU_EXIT_DONE;
}

/* Dispatch and help at once. */
static const struct dmu_option {
	char letter;			/* 0: only the long form */
	const char *name;
	const char *value;		/* NULL: takes none */
	const char *help;
	int (*set)(struct dmu_options_parser *parser, const char *value);
} dmu_options[] = {
	{ 'c', "channels", "N", "channels, each with a thread (1-64; default: the spec's, or 4)",
	  dmu_set_channels },
	{ 't', "timeout", "MS", "patience with the other daemon, for each step (default 10000)",
	  dmu_set_timeout },
	{ 'f', "foreground", NULL, "do not detach; log to stderr, too", dmu_set_foreground },
	{ 0, "takeover", NULL, "attach to an existing device instead of creating it",
	  dmu_set_takeover },
	{ 0, "ctl", "CTL", "name of the control node (default NAME)", dmu_set_ctl },
	{ 0, "run-dir", "DIR", "parent of NAME's run directory (default " DMU_RUN_DIR ")",
	  dmu_set_run_dir },
	{ 'v', "verbose", NULL, "log each step", dmu_set_verbose },
	{ 0, "sources", "SPEC", "print the paths that a BACKEND:SOURCE needs, and exit",
	  dmu_show_sources },
	{ 0, "identity", "SPEC", "print which store a BACKEND:SOURCE is, and exit", dmu_show_identity },
	{ 'h', "help", NULL, "print this and exit", dmu_show_help },
	{ 'V', "version", NULL, "print the version and exit", dmu_show_version },
};

#define DMU_OPTION_COUNT	(sizeof(dmu_options) / sizeof(dmu_options[0]))
/* getopt's value of an option without a letter: this plus its index. */
#define DMU_OPTION_LONG_BASE	256

static int dmu_show_help(struct dmu_options_parser *parser, const char *value)
{
	const struct dmu_stage *stage = parser->stage;
	size_t i;

	printf("Usage: %s [OPTION...] NAME %s\n\n", stage->program,
	       stage->takeover_only ? "[BACKEND:SOURCE[,option...]]" :
				      "BACKEND:SOURCE[,option...]");
	if (stage->takeover_only)
		printf("Takes the dm-user device NAME over from the daemon that serves it,\n"
		       "or picks up where a dead one stopped, confines itself and serves.\n\n");
	else
		printf("Creates the dm-user device NAME and serves it, or with --takeover serves\n"
		       "an existing one, by default from the other daemon's spec.\n\n");
	for (i = 0; i < DMU_OPTION_COUNT; i++) {
		const struct dmu_option *option = &dmu_options[i];
		char left[40];

		/* It can do nothing else. */
		if (stage->takeover_only && option->set == dmu_set_takeover)
			continue;
		snprintf(left, sizeof(left), "%c%c%c --%s%s%s", option->letter ? '-' : ' ',
			 option->letter ? option->letter : ' ', option->letter ? ',' : ' ',
			 option->name, option->value ? "=" : "",
			 option->value ? option->value : "");
		printf("  %-22s %s\n", left, option->help);
	}
	printf("\nBackends:\n");
	for (i = 0; dmu_backends[i]; i++)
		printf("  %-22s %s\n", dmu_backends[i]->name, dmu_backends[i]->help);
	printf("\nExit status: 0 the device is served, 1 failed, 2 usage.\n");
	return DMU_EXIT_DONE;
}

static const struct dmu_option *dmu_option_find(int value)
{
	size_t i;

	if (value >= DMU_OPTION_LONG_BASE)
		return &dmu_options[value - DMU_OPTION_LONG_BASE];
	for (i = 0; i < DMU_OPTION_COUNT; i++)
		if (dmu_options[i].letter == value)
			return &dmu_options[i];
	return NULL;
}

/* getopt's two descriptions of dmu_options[]. */
static void dmu_options_describe(char *letters, struct option *names)
{
	size_t i;

	/* Name an unknown option ourselves. */
	*letters++ = ':';
	for (i = 0; i < DMU_OPTION_COUNT; i++) {
		const struct dmu_option *option = &dmu_options[i];

		names[i].name = option->name;
		names[i].has_arg = option->value ? required_argument : no_argument;
		names[i].val = option->letter ? option->letter : DMU_OPTION_LONG_BASE + (int)i;
		if (!option->letter)
			continue;
		*letters++ = option->letter;
		if (option->value)
			*letters++ = ':';
	}
}

static int dmu_options_operands(struct dmu_options_parser *parser, int count, char **operands)
{
	struct dmu_daemon_options *options = parser->options;
	char error[256];
	int status;

	if (!count)
		return dmu_options_refuse(parser, "no NAME given (see --help)");
	if (count > 2)
		return dmu_options_refuse(parser, "'%.80s': too many operands (see --help)",
					  operands[2]);
	status = dmu_options_name(parser, "NAME", operands[0], options->name);
	if (status >= 0)
		return status;
	if (count == 2) {
		if (dmu_spec_parse(&options->spec, operands[1], error, sizeof(error)))
			return dmu_options_refuse(parser, "%s", error);
		if (!dmu_backend_find(options->spec.backend))
			return dmu_options_refuse(parser, "unknown backend '%s'",
						  options->spec.backend);
		options->spec_given = true;
	}
	if (!options->spec_given && !options->takeover)
		return dmu_options_refuse(parser,
					  "no BACKEND:SOURCE given, to create %s from (see --help)",
					  options->name);
	if (!*options->ctl)
		memcpy(options->ctl, options->name, sizeof(options->ctl));
	if (strlen(options->run_dir) + strlen(options->name) + sizeof("//" DMU_SOCKET_NAME) >
	    DMU_SOCKET_PATH_MAX)
		return dmu_options_refuse(parser,
					  "--run-dir: '%s' is too long for a socket of %s in it",
					  options->run_dir, options->name);
	return -1;
}

int dmu_options_parse(struct dmu_daemon_options *options, const struct dmu_stage *stage, int argc,
		      char **argv)
{
	struct dmu_options_parser parser = { options, stage };
	struct option names[DMU_OPTION_COUNT + 1] = { 0 };
	char letters[2 * DMU_OPTION_COUNT + 2] = "";
	const struct dmu_option *option;
	int value, status;

	memset(options, 0, sizeof(*options));
	snprintf(options->run_dir, sizeof(options->run_dir), "%s", DMU_RUN_DIR);
	options->timeout_ms = DMU_TIMEOUT_MS;
	options->takeover = stage->takeover_only;
	dmu_options_describe(letters, names);
	while ((value = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		if (value == ':')
			return dmu_options_refuse(&parser, "'%.80s' needs a value",
						  argv[optind - 1]);
		option = value == '?' ? NULL : dmu_option_find(value);
		if (!option)
			return dmu_options_refuse(&parser, "unknown option '%.80s' (see --help)",
						  argv[optind - 1]);
		status = option->set(&parser, optarg);
		if (status >= 0)
			return status;
	}
	return dmu_options_operands(&parser, argc - optind, argv + optind);
}
