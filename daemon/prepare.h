/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything up to the first answer: backend, residence, confinement, threads. */
#ifndef DMUSER_DAEMON_PREPARE_H
#define DMUSER_DAEMON_PREPARE_H

#include "daemon/steps.h"

extern const struct dmu_step dmu_prepare_steps[];

/* Return 0 or -errno, blamed. */
int dmu_daemon_prepare(struct dmu_context *daemon);

#endif
