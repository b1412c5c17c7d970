// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line of dmuserctl: pure but for getopt's own state. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/args.h"
#include "handover/peer.h"
#include "lib/dmuser.h"
#include "lib/number.h"
#include "rundir/directory.h"

static const struct ctl_option_row {
	const char *name;
	char letter;
	const char *value;		/* what stands for it in --help, or NULL: takes none */
	unsigned int bit;		/* ctl_option; 0: every command takes it */
	const char *help;
} option_rows[] = {
	{ "json", 'j', NULL, CTL_JSON, "print JSON" },
	{ "program", 'p', "PATH", CTL_PROGRAM,
	  "the daemon to run (default: beside dmuserctl, then $PATH)" },
	{ "timeout", 't', "MS", CTL_TIMEOUT,
	  "milliseconds: for each step of the daemons; wait: for all" },
	{ "channels", 'c', "N", CTL_CHANNELS, "channels, each with a thread (1..64)" },
	{ "generation", 'g', "N", CTL_GENERATION, "wait for this generation" },
	{ "ready", 'r', NULL, CTL_READY, "wait until it serves (the default)" },
	{ "gone", 'x', NULL, CTL_GONE, "wait until it is gone" },
	{ "force", 'f', NULL, CTL_FORCE, "fail what is in flight, and all later I/O" },
	{ "tab", 'T', "FILE", CTL_TABFILE, "instead of " CTL_TAB },
	{ "run-dir", 'R', "DIR", CTL_RUNDIR, "instead of " DMU_RUN_DIR },
	{ "help", 'h', NULL, 0, "this text" },
	{ "version", 'V', NULL, 0, "the version" },
};

#define ROW_COUNT	(sizeof(option_rows) / sizeof(option_rows[0]))

static int refuse(char *error, size_t len, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(char *error, size_t len, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, len, format, ap);
	va_end(ap);
	return -EINVAL;
}

void ctl_options_print(unsigned int mask)
{
	char left[64];
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		const struct ctl_option_row *row = &option_rows[i];

		if (row->bit && !(row->bit & mask))
			continue;
		snprintf(left, sizeof(left), "-%c, --%s%s%s", row->letter, row->name,
			 row->value ? " " : "", row->value ? row->value : "");
		printf("  %-20s %s\n", left, row->help);
	}
}

static int number_option(uint64_t *value, const char *option, const char *text, uint64_t min,
			 uint64_t max, char *error, size_t len)
{
	if (!dmu_number_parse(value, text, min, max))
		return 0;
	return refuse(error, len, "--%s: '%s' is not a number from %llu to %llu", option, text,
		      (unsigned long long)min, (unsigned long long)max);
}

static int option_apply(struct ctl_args *args, const struct ctl_option_row *row, const char *value,
			char *error, size_t len)
{
	args->given |= row->bit;
	switch (row->letter) {
	case 'h':
		args->help = true;
		break;
	case 'V':
		args->version = true;
		break;
	case 'p':
		args->program = value;
		break;
	case 'T':
		args->tab = value;
		break;
	case 'R':
		args->run_dir = value;
		break;
	case 't':
		/* Of a daemon, or of `wait` itself. */
		return number_option(&args->timeout_ms, row->name, value,
				     strcmp(args->command->name, "wait") ? DMU_TIMEOUT_MIN_MS : 1,
				     DMU_TIMEOUT_MAX_MS, error, len);
	case 'c':
		return number_option(&args->channels, row->name, value, 1, 64, error, len);
	case 'g':
		return number_option(&args->generation, row->name, value, 1, UINT64_MAX, error,
				     len);
	}
	return 0;
}

static const struct ctl_option_row *row_find(int letter)
{
	size_t i;

	for (i = 0; i < ROW_COUNT; i++)
		if (option_rows[i].letter == letter)
			return &option_rows[i];
	return NULL;
}

static void getopt_prepare(struct option *longs, char *shorts)
{
	size_t i;

	/* getopt says nothing, and tells a missing value from an unknown option. */
	*shorts++ = ':';
	for (i = 0; i < ROW_COUNT; i++) {
		const struct ctl_option_row *row = &option_rows[i];

		longs[i] = (struct option){ row->name, row->value ? required_argument : no_argument,
					    NULL, row->letter };
		*shorts++ = row->letter;
		if (row->value)
			*shorts++ = ':';
	}
	longs[ROW_COUNT] = (struct option){ 0 };
	*shorts = '\0';
	optind = 0;		/* GNU: forget what an earlier call left */
	opterr = 0;
}

static int options_parse(struct ctl_args *args, int argc, char **argv, char *error, size_t len)
{
	char shorts[2 * ROW_COUNT + 2];
	struct option longs[ROW_COUNT + 1];
	const struct ctl_option_row *row;
	int letter, ret;

	getopt_prepare(longs, shorts);
	while ((letter = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (letter == ':')
			return refuse(error, len, "option '%s' needs a value", argv[optind - 1]);
		row = letter == '?' ? NULL : row_find(letter);
		if (!row) {
			/* getopt stays on the word while letters of it are left. */
			if (optopt && strncmp(argv[optind - 1], "--", 2))
				return refuse(error, len, "unknown option '-%c'", optopt);
			return refuse(error, len, "unknown option '%s'", argv[optind - 1]);
		}
		if (row->bit && !(args->command->options & row->bit))
			return refuse(error, len, "%s takes no option --%s", args->command->name,
				      row->name);
		ret = option_apply(args, row, optarg, error, len);
		if (ret)
			return ret;
	}
	if ((args->given & CTL_READY) && (args->given & CTL_GONE))
		return refuse(error, len, "%s: --ready and --gone exclude each other",
			      args->command->name);
	return 0;
}

static int operands_parse(struct ctl_args *args, int count, char **operands, char *error,
			  size_t len)
{
	const struct ctl_command *command = args->command;
	int most = command->operands;	/* the enum counts them */

	if (count > most)
		return refuse(error, len, "%s: '%s' is one argument too many", command->name,
			      operands[most]);
	if (!most)
		return 0;
	if (!count)
		return refuse(error, len, "%s: which device? a NAME is missing", command->name);
	if (!dmu_name_valid(operands[0]))
		return refuse(error, len, "%s: '%s' cannot name a device", command->name,
			      operands[0]);
	args->name = operands[0];
	args->spec = count > 1 ? operands[1] : NULL;
	return 0;
}

int ctl_args_parse(struct ctl_args *args, const struct ctl_command *commands, int argc, char **argv, char *error,
		   size_t len)
{
	const struct ctl_command *command;
	int ret;

	memset(args, 0, sizeof(*args));
	args->run_dir = DMU_RUN_DIR;
	args->tab = CTL_TAB;
	if (argc < 2)
		return refuse(error, len, "a command is missing");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		args->help = true;
	else if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		args->version = true;
	if (args->help || args->version)
		return 0;

	for (command = commands; command->name; command++)
		if (!strcmp(command->name, argv[1]))
			break;
	if (!command->name)
		return refuse(error, len, "unknown command '%s'", argv[1]);
	args->command = command;
	ret = options_parse(args, argc - 1, argv + 1, error, len);
	if (ret || args->help || args->version)
		return ret;
	return operands_parse(args, argc - 1 - optind, argv + 1 + optind, error, len);
}
