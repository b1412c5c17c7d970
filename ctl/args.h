/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dmuserctl's command line. A subcommand is one row of a table of struct ctl_command, and one
 * function that returns an exit status, after it said on stderr, in one line, why it failed.
 */
#ifndef DMU_CTL_ARGS_H
#define DMU_CTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/launch.h"

enum ctl_exit {
	CTL_DONE = DMU_EXIT_DONE,
	CTL_FAILED = DMU_EXIT_FAILED,
	CTL_USAGE = DMU_EXIT_USAGE
};

#define CTL_TAB		"/etc/dmusertab"

/* The project's own daemons, which --stage names. */
#define CTL_FIRST_STAGE		"dmuser-first"
#define CTL_SECOND_STAGE	"dmuser-second"

/* Options that a command takes; bits of ctl_command.options. */
enum ctl_option {
	CTL_JSON	= 1 << 0,
	CTL_PROGRAM	= 1 << 1,
	CTL_TIMEOUT	= 1 << 2,	/* of a daemon */
	CTL_CHANNELS	= 1 << 3,
	CTL_GENERATION	= 1 << 4,
	CTL_READY	= 1 << 5,
	CTL_GONE	= 1 << 6,
	CTL_FORCE	= 1 << 7,
	CTL_TABFILE	= 1 << 8,
	CTL_RUNDIR	= 1 << 9,
	CTL_LIMIT	= 1 << 10,	/* --timeout, of `wait` itself */
	CTL_STAGE	= 1 << 11,
	CTL_WAIT	= 1 << 12,
};

struct ctl_args {
	const struct ctl_command *command;
	unsigned int given;		/* ctl_option bits that were there */
	const char *name;		/* of the device; NULL for a command without */
	const char *spec;		/* BACKEND:SOURCE[,...], or NULL */
	const char *program;		/* path, or NULL for the default */
	const char *stage;		/* CTL_FIRST_STAGE, CTL_SECOND_STAGE or NULL: default */
	const char *run_dir;		/* never NULL */
	const char *tab;		/* never NULL */
	uint64_t timeout_ms;		/* with CTL_TIMEOUT or CTL_LIMIT given */
	uint64_t wait_s;		/* 0: no wait */
	uint64_t channels;		/* with CTL_CHANNELS given; 1..64 */
	uint64_t generation;		/* with CTL_GENERATION given; from 1 */
};

enum ctl_operands { CTL_NO_OPERAND, CTL_NAME, CTL_NAME_SPEC, CTL_NAME_OR_SPEC };

struct ctl_command {
	const char *name;
	const char *summary;		/* one line for --help */
	const char *detail;		/* more for COMMAND --help, or NULL */
	enum ctl_operands operands;
	unsigned int options;		/* ctl_option bits */
	int (*run)(const struct ctl_args *args);
};

/*
 * Read the command line of a command of @commands, whose last has a NULL name, into @args, which
 * points into @argv. --help, --version and usage errors exit, unless @flags has ARGP_NO_EXIT: then
 * 0 or EINVAL.
 */
int ctl_args_parse(struct ctl_args *args, const struct ctl_command *commands, int argc, char **argv,
		   unsigned int flags);

#endif
