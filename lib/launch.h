/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Go into the background: the started process waits for the outcome and exits with it. */
#ifndef DMUSER_LAUNCH_H
#define DMUSER_LAUNCH_H

#include <stdbool.h>

/* Exit statuses of all programs. */
#define DMU_EXIT_DONE		0
#define DMU_EXIT_FAILED		1
#define DMU_EXIT_USAGE		2

struct dmu_launch {
	int fd;		/* to the waiting parent; -1: no parent waits, or it has been told */
	bool depends;	/* the child dies with the parent until dmu_launch_commit() */
	bool entrusted;	/* dmu_launch_entrust() was called, as both processes see */
};

/*
 * Fork. Returns -1 in the child, which has no terminal and a session of its own. Returns the exit
 * status in the parent, when the child has reported or died. On failure the parent has printed the
 * child's one line, and the child is dead; it has cleaned up, unless @launch->entrusted.
 */
int dmu_launch_detach(struct dmu_launch *launch, const char *program);
/*
 * From here on the child survives its parent. Before, a child that depends dies with the parent, so
 * a start that no process waits for any more ends. Call this before that death can do harm.
 */
void dmu_launch_commit(void);
/* If the child fails from here on, or dies, the parent cleans up: the child may be confined. */
void dmu_launch_entrust(struct dmu_launch *launch);
/* Tell the parent. Only the first call of either function has an effect. */
void dmu_launch_succeed(struct dmu_launch *launch);
void dmu_launch_fail(struct dmu_launch *launch, const char *reason);

#endif
