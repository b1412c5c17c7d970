/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The option --run-dir of all programs. */
#ifndef DMUSER_RUNDIR_OPTIONS_H
#define DMUSER_RUNDIR_OPTIONS_H

#include <argp.h>

/*
 * -R DIR, --run-dir=DIR. The input is a const char **, which becomes DMU_RUN_DIR if the option is
 * not given; a NULL input is left alone.
 */
extern const struct argp dmu_run_argp;

/* Refuse a run directory in which the path of the socket of device @name is too long. */
error_t dmu_run_check(const struct argp_state *state, const char *run_dir, const char *name);

#endif
