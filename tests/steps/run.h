/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of a scenario: what cases.c and scene.c share. */
#ifndef STEPS_RUN_H
#define STEPS_RUN_H

#include "tests/steps/steps.h"

#define MADE		"made"		/* the device of those cases that make one */
#define MADE_STORE	"file:/tmp/made.image"

struct run {
	const char *name;		/* of the device */
	uint64_t told;			/* losses that flushes reported before */
	struct tracee sides[2];		/* OLD, NEW; NEW is the launcher until that has forked */
	pid_t launcher;			/* 0: none, or it has ended */
	int launcher_status;
	bool forked;
	pid_t stray;			/* a stopped child, reported before its parent's fork */
	bool unseen;			/* the launcher was released before its fork: no pid */
	bool other_memory;		/* malloc() failed, and may use more pages elsewhere */
	struct seen before;
	uint64_t deadline;
};

/* ---- scene.c; a scene that cannot be set ends the program ---- */

/* Start a daemon that is not traced. False: it does not serve; daemon_said() has the reason. */
bool daemon_start(enum stage stage, const char *const *args);
/* The first line of output of the program that was started last; valid until the next call. */
const char *daemon_said(void);
/* Start a daemon again, with the arguments of the tab file. False as for daemon_start(). */
bool daemon_restart(const char *name, enum stage stage);
/* Let the old daemon serve, or no daemon, as the scenario begins. */
void scene_set(const struct scenario *scenario, struct run *run);
void scene_newcomer(const struct scenario *scenario, struct run *run, bool traced);
void scene_remove_made(void);
/* Count a daemon's descriptors once it is quiet: it closes a connection soon after its answer. */
unsigned int scene_fds(const struct run *run, const struct tracee *tracee);

#endif
