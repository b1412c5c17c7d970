// SPDX-License-Identifier: LGPL-2.1-or-later
/* All backends. A new backend is a file and a line here. */
#include <string.h>

#include "lib/backends.h"

const struct dmu_backend_ops *const dmu_backends[] = {
	&dmu_backend_file,
	NULL,
};

const struct dmu_backend_ops *dmu_backend_find(const char *name)
{
	const struct dmu_backend_ops *const *ops;

	for (ops = dmu_backends; *ops; ops++) {
		if (!strcmp((*ops)->name, name))
			return *ops;
	}
	return NULL;
}
