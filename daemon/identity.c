// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>

#include "daemon/identity.h"

int dmu_store_describe(const struct dmu_backend_ops *ops, const struct dmu_backend *backend,
		       const struct dmu_spec *spec, char *store, size_t len)
{
	char identity[DMU_SPEC_MAX] = "";
	int rc = 0;

	if (ops->identity)
		rc = ops->identity(backend, identity, sizeof(identity));
	else
		snprintf(identity, sizeof(identity), "%s", spec->source);
	if (!rc && (size_t)snprintf(store, len, "%s:%s", ops->name, identity) >= len)
		rc = -ENAMETOOLONG;
	return rc;
}
