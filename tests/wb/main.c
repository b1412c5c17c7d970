// SPDX-License-Identifier: GPL-2.0-or-later
/* Both stages with the backends wb and indexed beside their own; -DWB_SECOND: the second stage. */
#include "daemon/api.h"
#include "tests/wb/wb.h"

int main(int argc, char **argv)
{
	static const struct dmu_backend_ops *const backends[] = {
		&dmu_backend_file, &wb_backend, &indexed_backend, NULL,
	};
	static const struct dmu_daemon daemon = {
		.abi = DMU_ABI,
#ifdef WB_SECOND
		.name = "dmuser-second",
		.stage = "second",
		.takeover_only = true,
		.confiner = &dmu_confiner_full,
#else
		.name = "dmuser-first",
		.stage = "first",
#endif
		.purpose = "A stage with backends for tests.",
		.backends = backends,
	};

	return dmu_daemon_main(&daemon, argc, argv);
}
