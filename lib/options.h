/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the command lines of all programs share, on top of argp(3). A usage error prints one line
 * that names the bad word, and exits with DMU_EXIT_USAGE; argp adds a hint of its own to an unknown
 * option and to a missing value.
 */
#ifndef DMUSER_OPTIONS_H
#define DMUSER_OPTIONS_H

#include <argp.h>
#include <stdint.h>

/*
 * argp_parse() with @flags, as program @program whatever argv[0] is. Operands and values point into
 * @argv. Returns with ARGP_NO_EXIT only after an error: EINVAL or another errno. exit() fails from
 * now on if standard output could not be written.
 */
error_t dmu_options_parse(const struct argp *argp, const char *program, int argc, char **argv,
			  unsigned int flags, void *input);

/* --help, --usage and --version: a child of every program's parser. Has no input. */
extern const struct argp dmu_options_argp;

/* Print a usage error, and exit; with ARGP_NO_EXIT, EINVAL. */
error_t dmu_option_refuse(const struct argp_state *state, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A decimal number from @min to @max for option @option, or refuse it. */
error_t dmu_option_number(const struct argp_state *state, const char *option, const char *text,
			  uint64_t min, uint64_t max, uint64_t *value);
/* The same for the name of a device or a node, dmu_name_valid(). */
error_t dmu_option_name(const struct argp_state *state, const char *option, const char *text);

#endif
