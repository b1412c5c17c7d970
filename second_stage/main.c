// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dmuser-second takes a device over, confined. daemon/main.c says what the daemon does and when.
 * While it prepares, daemon/prepare.c calls the confinement in this order:
 *
 *	confine()	before there are threads: namespaces, empty root, Landlock, no capability
 *	filter()	with the threads made and waiting: the filter of system calls, after which
 *			the daemon opens nothing
 *	verify()	before READY: the kernel's answers prove all of it
 */
#include "daemon/api.h"

int main(int argc, char **argv)
{
	static const struct dmu_backend_ops *const backends[] = { &dmu_backend_file, NULL };
	static const struct dmu_daemon second = {
		.abi = DMU_ABI,
		.name = "dmuser-second",
		.stage = "second",
		.purpose = "Takes the dm-user device NAME over from the daemon that serves it, or "
			   "goes on where a dead one stopped; confines itself, and serves.",
		.takeover_only = true,
		.confiner = &dmu_confiner_full,
		.backends = backends,
	};

	return dmu_daemon_main(&second, argc, argv);
}
