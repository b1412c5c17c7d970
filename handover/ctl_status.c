// SPDX-License-Identifier: GPL-2.0-or-later
/* dmuserctl status: what the kernel says, and what the daemon says if it answers. */
#include <stdio.h>

#include "handover/ctl.h"

int ctl_status(const struct ctl_args *args)
{
	char error[CTL_ERROR_MAX];
	struct ctl_daemon daemon;
	struct ctl_device device;
	bool answered;
	int ret;

	ret = ctl_dm_device(args->name, &device);
	if (ret) {
		ctl_dm_device_error(args->name, ret);
		return CTL_FAILED;
	}
	answered = !ctl_daemon_ask(args->run_dir, args->name, &daemon, error, sizeof(error));
	if (answered)
		ctl_daemon_ask_confinement(args->run_dir, args->name, &daemon);
	if (args->given & CTL_JSON)
		ctl_json_print(ctl_device_json(&device, answered ? &daemon : NULL,
					       answered ? NULL : error));
	else
		ctl_device_print(&device, answered ? &daemon : NULL, answered ? NULL : error);
	return CTL_DONE;
}
