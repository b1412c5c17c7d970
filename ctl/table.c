// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of subcommands: it drives dispatch, the options that each takes, and --help. */
#include <stdarg.h>
#include <stdio.h>

#include "ctl/commands.h"

const struct ctl_command ctl_commands[] = {
	{
		.name = "create",
		.summary = "make a device, served by a new dmuser-first",
		.detail =
			"Without BACKEND:SOURCE, the line of NAME in the tab file says where the bytes come\n"
			"from. Returns when /dev/mapper/NAME is usable; on failure nothing is left behind.",
		.operands = CTL_NAME_SPEC,
		.options = CTL_JSON | CTL_PROGRAM | CTL_TIMEOUT | CTL_CHANNELS | CTL_TABFILE |
			   CTL_RUNDIR,
		.run = ctl_create,
	}, {
		.name = "status",
		.summary = "everything about one device, and who serves it",
		.operands = CTL_NAME,
		.options = CTL_JSON | CTL_RUNDIR,
		.run = ctl_status,
	}, {
		.name = "list",
		.summary = "all devices of the dm-user target",
		.operands = CTL_NO_OPERAND,
		.options = CTL_JSON,
		.run = ctl_list,
	}, {
		.name = "handover",
		.summary = "replace the serving daemon by a new dmuser-second",
		.detail =
			"The program runs from a copy in RUN_DIR/NAME. With no daemon left, it is started\n"
			"alone, the node unsealed for it, and it answers what its predecessor did not.\n"
			"On failure the old daemon carries on.",
		.operands = CTL_NAME_SPEC,
		.options = CTL_JSON | CTL_PROGRAM | CTL_TIMEOUT | CTL_CHANNELS | CTL_RUNDIR,
		.run = ctl_handover,
	}, {
		.name = "wait",
		.summary = "until a generation serves, or is gone",
		.detail =
			"--ready (the default): until generation N, or a newer one, serves; without\n"
			"--generation, any. --gone: until the device is gone; with --generation, that one.",
		.operands = CTL_NAME,
		.options = CTL_JSON | CTL_GENERATION | CTL_READY | CTL_GONE | CTL_TIMEOUT,
		.run = ctl_wait,
	}, {
		.name = "remove",
		.summary = "remove a device; its daemon then exits",
		.detail =
			"--force: first replaces the table by one that fails all I/O, whatever is in flight.",
		.operands = CTL_NAME,
		.options = CTL_JSON | CTL_FORCE | CTL_RUNDIR,
		.run = ctl_remove,
	}, {
		.name = "seal",
		.summary = "let nobody open the control node any more",
		.operands = CTL_NAME,
		.options = CTL_JSON,
		.run = ctl_seal,
	}, {
		.name = "unseal",
		.summary = "let root open the control node again",
		.operands = CTL_NAME,
		.options = CTL_JSON,
		.run = ctl_unseal,
	},
	{ .name = NULL }
};

static const char *operands_text(enum ctl_operands operands)
{
	switch (operands) {
	case CTL_NAME:
		return " NAME";
	case CTL_NAME_SPEC:
		return " NAME [BACKEND:SOURCE[,OPTION...]]";
	default:
		return "";
	}
}

static void command_help(const struct ctl_command *command)
{
	printf("usage: dmuserctl %s [OPTION...]%s\n\n%s: %s.\n", command->name,
	       operands_text(command->operands), command->name, command->summary);
	if (command->detail)
		printf("%s\n", command->detail);
	printf("\noptions:\n");
	ctl_options_print(command->options);
}

void ctl_help_print(const struct ctl_command *command)
{
	unsigned int all = 0;

	if (command) {
		command_help(command);
		return;
	}
	printf("usage: dmuserctl COMMAND [OPTION...] [NAME [BACKEND:SOURCE[,OPTION...]]]\n\ncommands:\n");
	for (command = ctl_commands; command->name; command++) {
		printf("  %-10s %s\n", command->name, command->summary);
		all |= command->options;
	}
	printf("\noptions (dmuserctl COMMAND --help: those of one command):\n");
	ctl_options_print(all);
	printf("\nexit status: 0 done, 1 failed, 2 usage. See dmuserctl(8), dmuser(4), dmusertab(5).\n");
}
