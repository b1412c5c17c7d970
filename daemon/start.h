/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of a start that needs no device: descriptors and the run directory. */
#ifndef DMUSER_DAEMON_START_H
#define DMUSER_DAEMON_START_H

#include "daemon/steps.h"

extern const struct dmu_step dmu_start_steps[];

#endif
