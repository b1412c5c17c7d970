/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to libdmuser: the backends in the table of backend.c. */
#ifndef DMUSER_BACKENDS_H
#define DMUSER_BACKENDS_H

#include "lib/dmuser.h"

extern const struct dmu_backend_ops dmu_backend_file;

#endif
