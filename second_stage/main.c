// SPDX-License-Identifier: GPL-2.0-or-later
/* dmuser-second: takes a device over, confined. */
#include "daemon/stage.h"
#include "second_stage/confine.h"

int main(int argc, char **argv)
{
	static const struct dmu_stage stage = {
		.program = "dmuser-second",
		.name = "second",
		.takeover_only = true,
		.confine = dmu_confine,
		.filter = dmu_confine_filter,
		.verify = dmu_confine_verify,
	};

	return dmu_daemon_main(&stage, argc, argv);
}
