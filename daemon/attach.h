/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Start without a serving daemon: create the device, or open its node. */
#ifndef DMUSER_DAEMON_ATTACH_H
#define DMUSER_DAEMON_ATTACH_H

#include "daemon/steps.h"

extern const struct dmu_step dmu_attach_steps[];

/* Return 0 or -errno, blamed. */
int dmu_daemon_attach(struct dmu_context *daemon);
/* Open and measure the backend of @spec. Return 0 or -errno, blamed. */
int dmu_daemon_open_backend(struct dmu_context *daemon, const struct dmu_spec *spec,
			    enum dmu_use use);
/* After a start that failed, take back the device, the channels and the run directory. */
void dmu_daemon_detach(struct dmu_context *daemon);
/* Remove device @name, which no daemon serves. Return 0 or -errno, which is logged. */
int dmu_daemon_remove_device(const char *name);

#endif
