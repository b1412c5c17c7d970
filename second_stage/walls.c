// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "second_stage/walls.h"

int dmu_walls_fail(struct dmu_walls *walls, const char *step)
{
	int rc = errno ? -errno : -EIO;

	snprintf(walls->error, walls->error_len, "cannot %s: %s", step, strerrordesc_np(-rc));
	return rc;
}

int dmu_walls_refuse(struct dmu_walls *walls, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(walls->error, walls->error_len, format, args);
	va_end(args);
	return -EPERM;
}
