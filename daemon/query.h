/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others ask a daemon's program about a store. */
#ifndef DMUSER_QUERY_H
#define DMUSER_QUERY_H

/*
 * Print the paths that @text, BACKEND:SOURCE[,option...], needs, one a line; or which store
 * it is, as in RUN_DIR/NAME/store. An exit status.
 */
enum dmu_query { DMU_QUERY_SOURCES, DMU_QUERY_IDENTITY };
int dmu_query_answer(enum dmu_query query, const char *program, const char *text);

#endif
