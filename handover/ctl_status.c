// SPDX-License-Identifier: GPL-2.0-or-later
/* dmuserctl status: what the kernel says, and what the daemon says if it answers. */
#include <stdio.h>

#include "handover/ctl.h"

int ctl_status(const struct ctl_args *args)
{
	char error[CTL_ERROR_MAX];
	struct ctl_daemon daemon;
	struct ctl_device device;
	struct ctl_watch watch;
	bool answered, watched;
	json_t *json;
	int ret;

	ret = ctl_dm_device(args->name, &device);
	if (ret) {
		ctl_dm_device_error(args->name, ret);
		return CTL_FAILED;
	}
	answered = !ctl_daemon_ask(args->run_dir, args->name, &daemon, error, sizeof(error));
	if (answered)
		ctl_daemon_ask_confinement(args->run_dir, args->name, &daemon);
	watched = !ctl_watch_read(args->run_dir, args->name, &watch);
	if (args->given & CTL_JSON) {
		json = ctl_device_json(&device, answered ? &daemon : NULL, answered ? NULL : error);
		json_object_set_new(json, "watchdog", ctl_watch_json(watched ? &watch : NULL));
		return ctl_json_print(json);
	}
	ctl_device_print(&device, answered ? &daemon : NULL, answered ? NULL : error);
	ctl_watch_print(watched ? &watch : NULL);
	return CTL_DONE;
}
