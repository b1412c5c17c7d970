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

/*
 * query.c. Print the paths that @text, BACKEND:SOURCE[,option...], needs, one a line; or which store
 * it is, as in RUN_DIR/NAME/store. An exit status.
 */
enum dmu_query { DMU_QUERY_SOURCES, DMU_QUERY_IDENTITY };
int dmu_query_answer(enum dmu_query query, const char *program, const char *text);

#endif
