/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device as dmuserctl shows it: as JSON, and as a page for people. */
#ifndef DMU_CTL_SHOW_H
#define DMU_CTL_SHOW_H

#include <jansson.h>

#include "ctl/device.h"
#include "rundir/listener.h"
#include "rundir/watchdog.h"

/* @daemon may be NULL; @daemon_error then says why, or is NULL if none was looked for. */
json_t *ctl_device_json(const struct ctl_device *device, const struct dmu_listener *daemon,
			const char *daemon_error);
void ctl_device_print(const struct ctl_device *device, const struct dmu_listener *daemon,
		      const char *daemon_error);

/* watch.c. @watch may be NULL: no dmuser-watch watches. */
json_t *ctl_watch_json(const struct dmu_watchdog *watch);
void ctl_watch_print(const struct dmu_watchdog *watch);

#endif
