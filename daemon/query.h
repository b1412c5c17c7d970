/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions about a store that another program asks a daemon's program. */
#ifndef DMUSER_QUERY_H
#define DMUSER_QUERY_H

#include "daemon/api.h"

enum dmu_query { DMU_QUERY_SOURCES, DMU_QUERY_FILES, DMU_QUERY_IDENTITY };
/*
 * Print the paths of the store of @text, BACKEND:SOURCE[,option...], one a line; or its small
 * files; or the identity of its store, as in RUN_DIR/NAME/store. Return an exit status.
 */
int dmu_query_answer(enum dmu_query query, const struct dmu_daemon *program, const char *text);

#endif
