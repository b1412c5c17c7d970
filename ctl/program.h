/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Find the daemon that serves a device, or a BACKEND:SOURCE. */
#ifndef DMU_CTL_PROGRAM_H
#define DMU_CTL_PROGRAM_H

#include <stddef.h>

#include "ctl/args.h"

/*
 * The program for args->spec, or else for what serves args->name: args->program, or else
 * dmuser-BACKEND, or else the program of --stage, by default @stage. 0 and @path, or -errno and
 * @error.
 */
int ctl_program_find(const struct ctl_args *args, const char *stage, char *path, size_t path_len,
		     char *error, size_t len);

#endif
