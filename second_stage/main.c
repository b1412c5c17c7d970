// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmuser-second takes a device over, confined. daemon/main.c says what the daemon does and when.
 * While it prepares, daemon/prepare.c calls the confinement in this order:
 *
 *	dmu_confine()		before there are threads: namespaces, empty root, Landlock, no
 *				capability
 *	dmu_confine_filter()	with the threads made and waiting: the filter of system calls, after
 *				which the daemon opens nothing
 *	dmu_confine_verify()	before READY: the kernel's answers prove all of it
 */
#include "daemon/stage.h"
#include "second_stage/confine.h"

int main(int argc, char **argv)
{
	static const struct dmu_stage stage = {
		.program = "dmuser-second",
		.name = "second",
		.purpose = "Takes the dm-user device NAME over from the daemon that serves it, or "
			   "goes on where a dead one stopped; confines itself, and serves.",
		.takeover_only = true,
		.confine = dmu_confine,
		.filter = dmu_confine_filter,
		.verify = dmu_confine_verify,
	};

	return dmu_daemon_main(&stage, argc, argv);
}
