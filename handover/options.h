/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of both stages. */
#ifndef DMUSER_OPTIONS_H
#define DMUSER_OPTIONS_H

#include "handover/daemon.h"

/*
 * Fill @options. -1: all is well, go on; else the exit status, and help, version or the one line
 * about what is wrong has been printed.
 */
int dmu_options_parse(struct dmu_daemon_options *options, const struct dmu_stage *stage, int argc,
		      char **argv);

#endif
