// SPDX-License-Identifier: LGPL-2.1-or-later
/* Answer another program's questions about a store, which only the daemon's backend knows. */
#include <stdio.h>
#include <string.h>

#include "daemon/identity.h"
#include "daemon/query.h"
#include "handover/wire.h"
#include "lib/launch.h"

/* Print a path of the kind that @arg points to. */
static void dmu_query_print(enum dmu_path kind, const char *path, void *arg)
{
	if (kind == *(const enum dmu_path *)arg)
		puts(path);
}

static void dmu_query_paths(const struct dmu_backend_ops *ops, const struct dmu_spec *spec,
			    enum dmu_path kind)
{
	if (ops->sources)
		ops->sources(spec, dmu_query_print, &kind);
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
	switch (query) {
	case DMU_QUERY_SOURCES:
		dmu_query_paths(ops, &spec, DMU_PATH_STORE);
		break;
	case DMU_QUERY_FILES:
		dmu_query_paths(ops, &spec, DMU_PATH_FILE);
		break;
	case DMU_QUERY_IDENTITY:
		rc = dmu_query_identity(ops, &spec, error, sizeof(error));
		break;
	}
	if (rc)
		fprintf(stderr, "%s: %s\n", program->name, error);
	return rc || fflush(stdout) ? DMU_EXIT_FAILED : DMU_EXIT_DONE;
}
