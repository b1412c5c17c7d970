// SPDX-License-Identifier: GPL-2.0-or-later
/* dmuserctl: create, watch, hand over and remove devices of the dm-user target. */
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/device.h"
#include "ctl/output.h"
#include "lib/dmuser.h"

int main(int argc, char **argv)
{
	struct ctl_args args;

	dmu_process_begin();
	if (ctl_args_parse(&args, ctl_commands, argc, argv, 0))
		return CTL_FAILED;
	if (geteuid() != 0) {
		ctl_error("%s: must be root", args.command->name);
		return CTL_FAILED;
	}
	/*
	 * The device may have no daemon, and this command may start one: its allocations must not
	 * wait for I/O of the device. The daemon inherits the flag; a daemon that cannot have it
	 * says so.
	 */
	dmu_resident_io_flusher();
	ctl_dm_init();
	/* A device to be created has no other name yet. */
	if (args.name && args.command->run != ctl_create)
		args.name = ctl_dm_first_name(args.name);
	return args.command->run(&args);
}
