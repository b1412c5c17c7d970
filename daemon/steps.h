/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of steps. */
#ifndef DMUSER_DAEMON_STEPS_H
#define DMUSER_DAEMON_STEPS_H

#include "daemon/daemon.h"

/* One of a list that ends with { NULL, NULL }. tests/steps has a daemon die at each of them. */
struct dmu_step {
	const char *name;	/* of the function */
	int (*run)(struct dmu_daemon *daemon);	/* 0 or -errno, blamed */
};

#define DMU_STEP(function)	{ #function, function }

/* All of them, in order, up to the first that fails or a signal to end. 0 or -errno, blamed. */
int dmu_steps_run(struct dmu_daemon *daemon, const struct dmu_step *steps);

#endif
