// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/options.h"
#include "handover/peer.h"
#include "lib/launch.h"
#include "lib/options.h"
#include "rundir/options.h"

/* Options without a letter. */
enum { OPTION_TAKEOVER = 256, OPTION_CTL, OPTION_SOURCES, OPTION_FILES, OPTION_IDENTITY };

static const struct argp_option options[] = {
	{ "channels", 'c', "N", 0,
	  "channels, each with a thread (1-64; default: the spec's, or 4)", 0 },
	{ "timeout", 't', "MS", 0,
	  "limit of each step of a handover (100-3600000; default 10000)", 0 },
	{ "foreground", 'f', NULL, 0, "do not detach; log to stderr, too", 0 },
	{ "takeover", OPTION_TAKEOVER, NULL, 0,
	  "attach to an existing device; dmuser-second always does", 0 },
	{ "ctl", OPTION_CTL, "CTL", 0, "name of the control node (default NAME)", 0 },
	{ "verbose", 'v', NULL, 0, "log each step", 0 },
	{ "sources", OPTION_SOURCES, "SPEC", 0,
	  "print the paths of a BACKEND:SOURCE's store, and exit", 0 },
	{ "files", OPTION_FILES, "SPEC", 0,
	  "print the small files that a BACKEND:SOURCE needs besides, and exit", 0 },
	{ "identity", OPTION_IDENTITY, "SPEC", 0,
	  "print which store a BACKEND:SOURCE is, and exit", 0 },
	{ 0 },
};

/* The command line is read into this. */
struct parse {
	struct dmu_daemon_options *options;
	const struct dmu_daemon *program;
	unsigned int operands;
};

static error_t parse_operand(struct parse *parse, const char *text, struct argp_state *state)
{
	struct dmu_daemon_options *into = parse->options;
	char error[256];
	error_t status;

	switch (parse->operands++) {
	case 0:
		status = dmu_option_name(state, "NAME", text);
		snprintf(into->name, sizeof(into->name), "%s", text);
		return status;
	case 1:
		into->spec_given = true;
		if (dmu_spec_parse(&into->spec, text, error, sizeof(error)))
			return dmu_option_refuse(state, "%s", error);
		if (!dmu_backend_find(parse->program->backends, into->spec.backend))
			return dmu_option_refuse(state, "unknown backend '%s'", into->spec.backend);
		return 0;
	default:
		return dmu_option_refuse(state, "'%.80s' is one operand too many", text);
	}
}

static error_t parse_query(struct dmu_daemon_options *into, enum dmu_query query, const char *spec,
			   struct argp_state *state)
{
	if (into->query_spec)
		return dmu_option_refuse(state, "one of --sources, --files and --identity only");
	into->query = query;
	into->query_spec = spec;
	return 0;
}

static error_t parse_end(struct parse *parse, struct argp_state *state)
{
	struct dmu_daemon_options *into = parse->options;

	if (into->query_spec)
		return 0;
	if (!parse->operands) {
		return dmu_option_refuse(state, "no NAME given (see --help)");
	}
	if (!into->spec_given && !into->takeover) {
		return dmu_option_refuse(state,
					 "no BACKEND:SOURCE given, to create %s from (see --help)",
					 into->name);
	}
	if (!*into->ctl)
		memcpy(into->ctl, into->name, sizeof(into->ctl));
	return dmu_run_check(state, into->run_dir, into->name);
}

static error_t parse_key(int key, char *value, struct argp_state *state)
{
	struct parse *parse = state->input;
	struct dmu_daemon_options *into = parse->options;
	uint64_t number = 0;
	error_t status = 0;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &into->run_dir;
		break;
	case 'c':
		status = dmu_option_number(state, "channels", value, 1, DMU_WIRE_CHANNELS_MAX,
					   &number);
		into->channels = (unsigned int)number;
		break;
	case 't':
		status = dmu_option_number(state, "timeout", value, DMU_TIMEOUT_MIN_MS,
					   DMU_TIMEOUT_MAX_MS, &number);
		into->timeout_ms = (unsigned int)number;
		break;
	case 'f':
		into->foreground = true;
		break;
	case 'v':
		into->verbose = true;
		break;
	case OPTION_TAKEOVER:
		into->takeover = true;
		break;
	case OPTION_CTL:
		status = dmu_option_name(state, "--ctl", value);
		snprintf(into->ctl, sizeof(into->ctl), "%s", value);
		break;
	case OPTION_SOURCES:
		return parse_query(into, DMU_QUERY_SOURCES, value, state);
	case OPTION_FILES:
		return parse_query(into, DMU_QUERY_FILES, value, state);
	case OPTION_IDENTITY:
		return parse_query(into, DMU_QUERY_IDENTITY, value, state);
	case ARGP_KEY_ARG:
		return parse_operand(parse, value, state);
	case ARGP_KEY_END:
		return parse_end(parse, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return status;
}

/* --help of a stage: its purpose before the options, its backends after them. */
static char *help(int key, const char *text, void *input)
{
	const struct parse *parse = input;
	const struct dmu_backend_ops *const *backends;
	char *list = NULL;
	size_t size;
	FILE *stream;

	if (!parse)
		return (char *)text;
	if (key == ARGP_KEY_HELP_PRE_DOC)
		return strdup(parse->program->purpose);
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	stream = open_memstream(&list, &size);
	if (!stream)
		return (char *)text;
	fputs("Backends:\n", stream);
	for (backends = parse->program->backends; *backends; backends++)
		fprintf(stream, "  %-22s %s\n", (*backends)->name, (*backends)->help);
	fputs("\nExit status: 0 the device is served, 1 failed, 2 usage.", stream);
	fclose(stream);
	return list;
}

void dmu_daemon_options_parse(struct dmu_daemon_options *into, const struct dmu_daemon *program,
			      int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ &dmu_run_argp, 0, NULL, 0 }, { &dmu_options_argp, 0, NULL, 0 }, { 0 },
	};
	const struct argp argp = {
		.options = options,
		.parser = parse_key,
		.args_doc = program->takeover_only ? "NAME [BACKEND:SOURCE[,OPTION...]]" :
						   "NAME BACKEND:SOURCE[,OPTION...]",
		.doc = "purpose\vbackends",	/* see help() */
		.children = children,
		.help_filter = help,
	};
	struct parse parse = { .options = into, .program = program };

	memset(into, 0, sizeof(*into));
	into->timeout_ms = DMU_TIMEOUT_MS;
	into->takeover = program->takeover_only;
	if (dmu_options_parse(&argp, program->name, argc, argv, 0, &parse))
		exit(DMU_EXIT_FAILED);
}
