// SPDX-License-Identifier: GPL-2.0-or-later
/* dmuserctl seal, unseal: send the target one message. */
#include <string.h>

#include "ctl/commands.h"
#include "ctl/device.h"
#include "ctl/output.h"

static int send_message(const struct ctl_args *args, const char *message, bool sealed)
{
	struct ctl_device device;
	int ret;

	if (ctl_dm_require(args->name, &device))
		return CTL_FAILED;
	ret = ctl_dm_message(&device, message);
	if (ret) {
		ctl_error("%s: cannot %s the node: %s", args->name, message, strerror(-ret));
		return CTL_FAILED;
	}
	if (args->given & CTL_JSON)
		return ctl_json_print(json_pack("{s:s, s:b}", "name", args->name, "sealed",
						(int)sealed));
	return CTL_DONE;
}

int ctl_seal(const struct ctl_args *args)
{
	return send_message(args, "seal", true);
}

int ctl_unseal(const struct ctl_args *args)
{
	return send_message(args, "unseal", false);
}
