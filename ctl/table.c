// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of subcommands: it drives dispatch, the options that each takes, and --help. */
#include "ctl/commands.h"

const struct ctl_command ctl_commands[] = {
	{
		.name = "create",
		.summary = "make a device that a new daemon serves",
		.detail =
			"Without BACKEND:SOURCE, the line of NAME in the tab file says where "
			"the bytes come from. Returns when /dev/mapper/NAME is usable; on "
			"failure nothing is left behind.",
		.operands = CTL_NAME_SPEC,
		.options = CTL_JSON | CTL_PROGRAM | CTL_WAIT | CTL_TIMEOUT | CTL_CHANNELS |
			   CTL_TABFILE | CTL_RUNDIR,
		.run = ctl_create,
	},
	{
		.name = "status",
		.summary = "show one device, its daemon and its confinement",
		.operands = CTL_NAME,
		.options = CTL_JSON | CTL_RUNDIR,
		.run = ctl_status,
	},
	{
		.name = "list",
		.summary = "list all devices of the dm-user target",
		.operands = CTL_NO_OPERAND,
		.options = CTL_JSON,
		.run = ctl_list,
	},
	{
		.name = "handover",
		.summary = "replace the serving daemon by a new one",
		.detail =
			"The program runs from a copy in RUN_DIR/NAME. If no daemon serves the "
			"device, the node is unsealed for the program, which answers the "
			"requests that its predecessor left. If the handover fails, the old "
			"daemon serves on.",
		.operands = CTL_NAME_SPEC,
		.options = CTL_JSON | CTL_PROGRAM | CTL_STAGE | CTL_TIMEOUT | CTL_CHANNELS |
			   CTL_RUNDIR,
		.run = ctl_handover,
	},
	{
		.name = "program",
		.summary = "print the path of the daemon that would run",
		.detail =
			"For a device the program that handover would run, for a BACKEND:SOURCE "
			"the program that create would run; without either, the program of the "
			"stage, by default of the first.",
		.operands = CTL_NAME_OR_SPEC,
		.options = CTL_JSON | CTL_STAGE | CTL_RUNDIR,
		.run = ctl_program,
	},
	{
		.name = "wait",
		.summary = "wait until a generation serves, or is gone",
		.detail =
			"--ready (the default): until generation N, or a newer one, serves; "
			"without --generation, any. --gone: until the device is gone; with "
			"--generation, until that generation is gone.",
		.operands = CTL_NAME,
		.options = CTL_JSON | CTL_GENERATION | CTL_READY | CTL_GONE | CTL_LIMIT,
		.run = ctl_wait,
	},
	{
		.name = "retire",
		.summary = "let the kernel do all I/O for good; the daemon exits",
		.detail =
			"Replaces the table, in use, by rows of dm-linear. The extents must map "
			"all of the device. On failure all is as it was.",
		.operands = CTL_NAME,
		.options = CTL_JSON | CTL_RUNDIR,
		.run = ctl_retire,
	},
	{
		.name = "attach",
		.summary = "bring a daemon back to a retired device",
		.detail =
			"Replaces the table, in use, by that of a device whose extents map the "
			"disk, and starts a daemon. BACKEND:SOURCE is file: and the disk by "
			"default. On failure all is as it was.",
		.operands = CTL_NAME_SPEC,
		.options = CTL_JSON | CTL_PROGRAM | CTL_STAGE | CTL_TIMEOUT | CTL_CHANNELS |
			   CTL_RUNDIR,
		.run = ctl_attach,
	},
	{
		.name = "remove",
		.summary = "remove a device; its daemon then exits",
		.detail =
			"--force first replaces the table by one that fails all I/O, also what "
			"is in flight.",
		.operands = CTL_NAME,
		.options = CTL_JSON | CTL_FORCE | CTL_RUNDIR,
		.run = ctl_remove,
	},
	{
		.name = "seal",
		.summary = "let no process open the control node any more",
		.operands = CTL_NAME,
		.options = CTL_JSON,
		.run = ctl_seal,
	},
	{
		.name = "unseal",
		.summary = "let root open the control node again",
		.operands = CTL_NAME,
		.options = CTL_JSON,
		.run = ctl_unseal,
	},
	{ .name = NULL }
};
