/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Into the background: the process that was started waits for the outcome, and exits with it. */
#ifndef DMUSER_LAUNCH_H
#define DMUSER_LAUNCH_H

#include <stdbool.h>

/* Exit statuses of our programs. */
#define DMU_EXIT_DONE		0
#define DMU_EXIT_FAILED		1
#define DMU_EXIT_USAGE		2

struct dmu_launch {
	int fd;		/* to the waiting parent; -1: nobody waits, or has been told */
	bool depends;	/* the child dies with the parent until dmu_launch_commit() */
};

/*
 * Fork. In the child, without a terminal and in a session of its own: -1. In the parent, when the
 * child has reported or died: its exit status. If that is a failure, the child's one line is
 * printed, and the child has cleaned up and is dead.
 */
int dmu_launch_detach(struct dmu_launch *launch, const char *program);
/*
 * From here on the child lives on without its parent. Before, one that depends is killed when the parent is: a
 * start that nobody waits for any more is given up. Call it before any harm can come from that.
 */
void dmu_launch_commit(void);
/* Tell the parent; only the first call of the two does anything. */
void dmu_launch_succeed(struct dmu_launch *launch);
void dmu_launch_fail(struct dmu_launch *launch, const char *reason);

#endif
