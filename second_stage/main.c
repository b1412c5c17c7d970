// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmuser-second: takes a device over, confined. What the daemon does and when stands in daemon/main.c; while it prepares
 * (daemon/prepare.c) the confinement is called in this order:
 *
 *	dmu_confine()		before there are threads: namespaces, empty root, Landlock, no capability
 *	dmu_confine_filter()	with the threads made and waiting: system calls; nothing is opened after it
 *	dmu_confine_verify()	before READY: the kernel's answers prove that all of it holds
 */
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
