/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the command lines of all programs share, on top of argp(3): a usage error prints one line
 * that names the bad word, and exits with DMU_EXIT_USAGE; -h is --help.
 */
#ifndef DMUSER_OPTIONS_H
#define DMUSER_OPTIONS_H

#include <argp.h>
#include <stdint.h>

/* Call it before argp_parse(): sets argp's exit status and its --version. */
void dmu_options_begin(void);

/* Child of every program's parser. Has no input. */
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
