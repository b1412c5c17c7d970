/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The identity of a store. */
#ifndef DMUSER_DAEMON_IDENTITY_H
#define DMUSER_DAEMON_IDENTITY_H

#include <stddef.h>

#include "lib/dmuser.h"

/* Write BACKEND:IDENTITY of an open backend to @store. Return 0 or -errno. */
int dmu_store_describe(const struct dmu_backend_ops *ops, const struct dmu_backend *backend,
		       const struct dmu_spec *spec, char *store, size_t len);

#endif
