/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the command lines of all programs share, on top of argp(3): a usage error prints one line that names the bad
 * word, then where to find help, and exits with DMU_EXIT_USAGE; -h is --help.
 */
#ifndef DMUSER_OPTIONS_H
#define DMUSER_OPTIONS_H

#include <argp.h>
#include <stdint.h>

/* Call it before argp_parse(): sets argp's exit status and its --version. */
void dmu_options_begin(void);

/* Child of every program's parser. Has no input. */
extern const struct argp dmu_options_argp;

/*
 * A decimal number from @min to @max for option @option. 0, or EINVAL after argp_error(), which returns only with
 * ARGP_NO_EXIT.
 */
error_t dmu_option_number(const struct argp_state *state, const char *option, const char *text, uint64_t min,
			  uint64_t max, uint64_t *value);
/* Likewise for the name of a device or a node: dmu_name_valid(). */
error_t dmu_option_name(const struct argp_state *state, const char *option, const char *text);

#endif
