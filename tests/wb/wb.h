/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WB_H
#define WB_H

#include "lib/dmuser.h"

extern const struct dmu_backend_ops wb_backend, indexed_backend;

#endif
