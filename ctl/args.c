// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line of dmuserctl: a word that names the command, then what that command takes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/args.h"
#include "handover/peer.h"
#include "lib/dmuser.h"
#include "lib/options.h"
#include "rundir/directory.h"
#include "rundir/options.h"

#define WAIT_MAX_S	3600

/* The options of all commands but --run-dir; a command takes those whose bits it has. */
static const struct {
	struct argp_option option;
	unsigned int bit;		/* ctl_option */
} rows[] = {
	{ { "json", 'j', NULL, 0, "print JSON", 0 }, CTL_JSON },
	{ { "program", 'p', "PATH", 0,
	    "run this daemon (default: dmuser-BACKEND, else a stage, see dmuserctl(8))", 0 },
	  CTL_PROGRAM },
	{ { "stage", 's', "STAGE", 0, "without dmuser-BACKEND, take dmuser-STAGE: first or second",
	    0 },
	  CTL_STAGE },
	{ { "wait", 'w', "SECONDS", 0,
	    "wait so long for the paths that BACKEND:SOURCE needs (0-3600; default 0)", 0 },
	  CTL_WAIT },
	{ { "timeout", 't', "MS", 0,
	    "limit of each step of the daemons (100-3600000; default 10000)", 0 },
	  CTL_TIMEOUT },
	{ { "timeout", 't', "MS", 0, "give up after so long (1-3600000; default: never)", 0 },
	  CTL_LIMIT },
	{ { "channels", 'c', "N", 0,
	    "channels, each with a thread (1-64; default: the spec's, or 4)", 0 },
	  CTL_CHANNELS },
	{ { "generation", 'g', "N", 0, "wait for this generation", 0 }, CTL_GENERATION },
	{ { "ready", 'r', NULL, 0, "wait until it serves (the default)", 0 }, CTL_READY },
	{ { "gone", 'x', NULL, 0, "wait until it is gone", 0 }, CTL_GONE },
	{ { "force", 'f', NULL, 0, "fail what is in flight, and all later I/O", 0 }, CTL_FORCE },
	{ { "tab", 'T', "FILE", 0, "read this instead of " CTL_TAB, 0 }, CTL_TABFILE },
};

#define ROW_COUNT	(sizeof(rows) / sizeof(rows[0]))

/* What follows the options of a command. */
static const struct {
	const char *doc;		/* for --help */
	unsigned int max;
	bool needed;			/* the first */
} operands[] = {
	[CTL_NO_OPERAND] = { NULL, 0, false },
	[CTL_NAME] = { "NAME", 1, true },
	[CTL_NAME_SPEC] = { "NAME [BACKEND:SOURCE[,OPTION...]]", 2, true },
	[CTL_NAME_OR_SPEC] = { "[NAME | BACKEND:SOURCE[,OPTION...]]", 1, false },
};

/* The command line is read into this. */
struct parse {
	struct ctl_args *args;
	const struct ctl_command *commands;
	unsigned int operands;
	unsigned int flags;		/* of argp_parse() */
};

static error_t parse_operand(struct parse *parse, const char *text, struct argp_state *state)
{
	struct ctl_args *args = parse->args;

	if (parse->operands == operands[args->command->operands].max) {
		return dmu_option_refuse(state, "'%.80s' is one operand too many", text);
	}
	/* No name of a device has a colon. */
	if (parse->operands++ ||
	    (args->command->operands == CTL_NAME_OR_SPEC && strchr(text, ':'))) {
		args->spec = text;
		return 0;
	}
	args->name = text;
	return dmu_option_name(state, "NAME", text);
}

static error_t parse_stage(struct ctl_args *args, const char *value, struct argp_state *state)
{
	if (!strcmp(value, "first"))
		args->stage = CTL_FIRST_STAGE;
	else if (!strcmp(value, "second"))
		args->stage = CTL_SECOND_STAGE;
	else
		return dmu_option_refuse(state, "--stage: '%.80s' is neither 'first' nor 'second'",
					 value);
	return 0;
}

static error_t parse_end(const struct parse *parse, struct argp_state *state)
{
	const struct ctl_args *args = parse->args;

	if (operands[args->command->operands].needed && !args->name)
		return dmu_option_refuse(state, "no NAME given (see --help)");
	if ((args->given & CTL_READY) && (args->given & CTL_GONE)) {
		return dmu_option_refuse(state, "--ready and --gone exclude each other");
	}
	return args->name ? dmu_run_check(state, args->run_dir, args->name) : 0;
}

static error_t parse_key(int key, char *value, struct argp_state *state)
{
	struct parse *parse = state->input;
	struct ctl_args *args = parse->args;
	size_t i;

	for (i = 0; i < ROW_COUNT; i++)
		if (rows[i].option.key == key && (rows[i].bit & args->command->options))
			args->given |= rows[i].bit;
	switch (key) {
	case ARGP_KEY_INIT:
		if (args->command->options & CTL_RUNDIR)
			state->child_inputs[1] = &args->run_dir;
		return 0;
	case 'p':
		args->program = value;
		return 0;
	case 's':
		return parse_stage(args, value, state);
	case 'T':
		args->tab = value;
		return 0;
	case 't':
		return dmu_option_number(state, "timeout", value,
					 args->given & CTL_LIMIT ? 1 : DMU_TIMEOUT_MIN_MS,
					 DMU_TIMEOUT_MAX_MS, &args->timeout_ms);
	case 'w':
		return dmu_option_number(state, "wait", value, 0, WAIT_MAX_S, &args->wait_s);
	case 'c':
		return dmu_option_number(state, "channels", value, 1, DMU_WIRE_CHANNELS_MAX,
					 &args->channels);
	case 'g':
		return dmu_option_number(state, "generation", value, 1, UINT64_MAX,
					 &args->generation);
	case 'j':
	case 'r':
	case 'x':
	case 'f':
		return 0;
	case ARGP_KEY_ARG:
		return parse_operand(parse, value, state);
	case ARGP_KEY_END:
		return parse_end(parse, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_command(struct parse *parse, int argc, char **argv)
{
	const struct ctl_command *command = parse->args->command;
	struct argp_option options[ROW_COUNT + 1] = { 0 };
	const struct argp_child children[] = {
		{ &dmu_options_argp, 0, NULL, 0 },
		{ command->options & CTL_RUNDIR ? &dmu_run_argp : NULL, 0, NULL, 0 },
		{ 0 },
	};
	char name[64], doc[1024];
	const struct argp argp = {
		.options = options,
		.parser = parse_key,
		.args_doc = operands[command->operands].doc,
		.doc = doc,
		.children = children,
	};
	size_t i, count = 0;

	for (i = 0; i < ROW_COUNT; i++)
		if (rows[i].bit & command->options)
			options[count++] = rows[i].option;
	snprintf(name, sizeof(name), "dmuserctl %s", command->name);
	snprintf(doc, sizeof(doc), "%s: %s.%s%s", command->name, command->summary,
		 command->detail ? "\v" : "", command->detail ? command->detail : "");
	return dmu_options_parse(&argp, name, argc, argv, parse->flags, parse);
}

/* The word that names the command, and what follows. */
static error_t parse_word(int key, char *value, struct argp_state *state)
{
	struct parse *parse = state->input;
	const struct ctl_command *command;
	int begin = state->next - 1;

	if (key == ARGP_KEY_NO_ARGS)
		return dmu_option_refuse(state, "no COMMAND given (see --help)");
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	for (command = parse->commands; command->name; command++)
		if (!strcmp(command->name, value))
			break;
	if (!command->name) {
		return dmu_option_refuse(state, "unknown command '%.80s' (see --help)", value);
	}
	parse->args->command = command;
	state->next = state->argc;
	return parse_command(parse, state->argc - begin, state->argv + begin);
}

/* The list of commands, for --help. */
static char *help(int key, const char *text, void *input)
{
	const struct parse *parse = input;
	const struct ctl_command *command;
	char *list = NULL;
	size_t size;
	FILE *stream;

	if (key != ARGP_KEY_HELP_POST_DOC || !parse)
		return (char *)text;
	stream = open_memstream(&list, &size);
	if (!stream)
		return (char *)text;
	fputs("Commands (COMMAND --help tells the options of one):\n", stream);
	for (command = parse->commands; command->name; command++)
		fprintf(stream, "  %-10s %s\n", command->name, command->summary);
	fputs("\nExit status: 0 done, 1 failed, 2 usage. "
	      "See dmuserctl(8), dmuser(4), dmusertab(5).", stream);
	fclose(stream);
	return list;
}

int ctl_args_parse(struct ctl_args *args, const struct ctl_command *commands, int argc, char **argv,
		   unsigned int flags)
{
	static const struct argp_child children[] = { { &dmu_options_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.parser = parse_word,
		.args_doc = "COMMAND [OPTION...] [NAME [BACKEND:SOURCE[,OPTION...]]]",
		.doc = "Creates, shows, hands over and removes devices of the dm-user target."
		       "\vcommands",
		.children = children,
		.help_filter = help,
	};
	struct parse parse = { .args = args, .commands = commands, .flags = flags };

	memset(args, 0, sizeof(*args));
	args->run_dir = DMU_RUN_DIR;
	args->tab = CTL_TAB;
	/* In order: what follows the command is the command's. */
	return dmu_options_parse(&argp, "dmuserctl", argc, argv, flags | ARGP_IN_ORDER, &parse);
}
