/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The option --run-dir of all programs. */
#ifndef DMUSER_RUNDIR_OPTIONS_H
#define DMUSER_RUNDIR_OPTIONS_H

#include <argp.h>

/*
 * -R DIR, --run-dir=DIR. Its input is a const char **, which is DMU_RUN_DIR where the option is not
 * given, and is left alone if the input is NULL.
 */
extern const struct argp dmu_run_argp;

/* Refuses a run directory in which the socket of device @name has too long a path. */
error_t dmu_run_check(const struct argp_state *state, const char *run_dir, const char *name);

#endif
