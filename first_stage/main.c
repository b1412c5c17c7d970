// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmuser-first serves a root from the initramfs, before anything else exists. It is the daemon
 * without confinement: there is no policy yet that could confine it, and it leaves when the second
 * stage serves. See daemon/main.c for the order in which its parts run.
 */
#include "daemon/api.h"

int main(int argc, char **argv)
{
	static const struct dmu_backend_ops *const backends[] = { &dmu_backend_file, NULL };
	static const struct dmu_daemon first = {
		.abi = DMU_ABI,
		.name = "dmuser-first",
		.stage = "first",
		.purpose = "Creates the dm-user device NAME and serves it, or with --takeover "
			   "serves an existing device, by default from the store that its daemon "
			   "serves.",
		.backends = backends,
	};

	return dmu_daemon_main(&first, argc, argv);
}
