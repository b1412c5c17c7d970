// SPDX-License-Identifier: GPL-2.0-or-later
/* dmuserctl status: the status that the kernel reports, and the daemon's if it answers. */
#include <stdio.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/show.h"
#include "rundir/directory.h"

int ctl_status(const struct ctl_args *args)
{
	char error[DMU_ERROR_MAX];
	struct dmu_listener daemon;
	struct ctl_device device;
	struct dmu_watchdog watch;
	bool answered, watched;
	json_t *json;

	if (ctl_dm_require(args->name, &device))
		return CTL_FAILED;
	answered = !dmu_listener_ask(args->run_dir, args->name, &daemon, error, sizeof(error));
	if (answered)
		dmu_listener_ask_confinement(args->run_dir, args->name, &daemon);
	watched = !dmu_watchdog_read(args->run_dir, args->name, &watch);
	if (args->given & CTL_JSON) {
		json = ctl_device_json(&device, answered ? &daemon : NULL, answered ? NULL : error);
		json_object_set_new(json, "watchdog", ctl_watch_json(watched ? &watch : NULL));
		return ctl_json_print(json);
	}
	ctl_device_print(&device, answered ? &daemon : NULL, answered ? NULL : error);
	ctl_watch_print(watched ? &watch : NULL);
	return CTL_DONE;
}
