// SPDX-License-Identifier: LGPL-2.1-or-later
#include <string.h>

#include "lib/dmuser.h"

const struct dmu_backend_ops *dmu_backend_find(const struct dmu_backend_ops *const *backends,
					       const char *name)
{
	for (; *backends; backends++)
		if (!strcmp((*backends)->name, name))
			return *backends;
	return NULL;
}
