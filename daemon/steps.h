/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of steps. */
#ifndef DMUSER_DAEMON_STEPS_H
#define DMUSER_DAEMON_STEPS_H

#include "daemon/daemon.h"

/* A list of steps ends with { NULL, NULL }. tests/steps kills a daemon at each of them. */
struct dmu_step {
	const char *name;	/* of the function */
	int (*run)(struct dmu_context *daemon);	/* 0 or -errno, blamed */
};

#define DMU_STEP(function)	{ #function, function }

/* Run @steps in order, until a step fails or a signal comes. Return 0 or -errno, blamed. */
int dmu_steps_run(struct dmu_context *daemon, const struct dmu_step *steps);

#endif
