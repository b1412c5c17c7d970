// SPDX-License-Identifier: LGPL-2.1-or-later
/* Answer another program's questions about a store, which only the daemon's backend knows. */
#include <stdio.h>
#include <string.h>

#include "daemon/identity.h"
#include "daemon/query.h"
#include "handover/wire.h"
#include "lib/launch.h"

static void dmu_query_print(const char *line, void *arg)
{
	puts(line);
}

static int dmu_query_sources(const struct dmu_backend_ops *ops, const struct dmu_spec *spec,
			     char *error, size_t len)
{
	if (ops->sources)
		ops->sources(spec, dmu_query_print, NULL);
	return 0;
}

static int dmu_query_identity(const struct dmu_backend_ops *ops, const struct dmu_spec *spec,
			      char *error, size_t len)
{
	struct dmu_backend *backend;
	char store[DMU_SPEC_MAX];
	int rc = ops->open(&backend, spec, DMU_USE_LOOK, error, len);

	if (rc)
		return rc;
	rc = dmu_store_describe(ops, backend, spec, store, sizeof(store));
	ops->close(backend);
	if (rc)
		snprintf(error, len, "cannot tell what store %.80s is: %s", spec->source,
			 strerror(-rc));
	else
		puts(store);
	return rc;
}

int dmu_query_answer(enum dmu_query query, const struct dmu_daemon *program, const char *text)
{
	const struct dmu_backend_ops *ops = NULL;
	char error[DMU_WIRE_REASON_MAX];
	struct dmu_spec spec;
	int rc = dmu_spec_parse(&spec, text, error, sizeof(error));

	if (!rc) {
		ops = dmu_backend_find(program->backends, spec.backend);
		snprintf(error, sizeof(error), "unknown backend '%s'", spec.backend);
	}
	if (!ops) {
		fprintf(stderr, "%s: %s\n", program->name, error);
		return DMU_EXIT_USAGE;
	}
	rc = query == DMU_QUERY_SOURCES ? dmu_query_sources(ops, &spec, error, sizeof(error)) :
					  dmu_query_identity(ops, &spec, error, sizeof(error));
	if (rc)
		fprintf(stderr, "%s: %s\n", program->name, error);
	return rc || fflush(stdout) ? DMU_EXIT_FAILED : DMU_EXIT_DONE;
}
