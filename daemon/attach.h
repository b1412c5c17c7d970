/* SPDX-License-Identifier: GPL-2.0-or-later */
/* There is no serving daemon: create the device, or open its node. */
#ifndef DMUSER_DAEMON_ATTACH_H
#define DMUSER_DAEMON_ATTACH_H

#include "daemon/steps.h"

extern const struct dmu_step dmu_attach_steps[];

/* 0 or -errno, blamed. */
int dmu_daemon_attach(struct dmu_daemon *daemon);
/* A spec, from wherever it comes; and its backend, opened and measured. */
int dmu_daemon_open_backend(struct dmu_daemon *daemon, const struct dmu_spec *spec,
			    enum dmu_use use);
/* Take the device, the channels and the run directory back, after a start that failed. */
void dmu_daemon_detach(struct dmu_daemon *daemon);

#endif
