/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of a scenario: what cases.c and scene.c share. */
#ifndef STEPS_RUN_H
#define STEPS_RUN_H

#include "tests/steps/steps.h"

#define MADE		"made"		/* the device of those cases that make one */
#define MADE_STORE	"file:/tmp/made.image"

struct run {
	const char *name;		/* of the device */
	uint64_t told;			/* of losses by flushes, before */
	struct tracee sides[2];		/* OLD, NEW; the newcomer's is its launcher's until that has forked */
	pid_t launcher;			/* 0: none, or it has ended */
	int launcher_status;
	bool forked;
	pid_t stray;			/* has stopped and is nobody's: a child, heard of before its parent's fork */
	bool unseen;			/* its launcher was let go before that: the newcomer is only heard of */
	bool other_memory;		/* malloc() was refused some, and may have found it elsewhere, in more pages */
	struct seen before;
	uint64_t deadline;
};

/* ---- scene.c; what cannot be set up ends the program ---- */

/* Not traced. false: it has not come to serve; daemon_said() is why. */
bool daemon_start(enum stage stage, const char *const *args);
/* The first line of who was started last, until the next call. */
const char *daemon_said(void);
/* Somebody serves again, with what the tab file says. */
bool daemon_restart(const char *name, enum stage stage);
/* As the scenario wants it: nobody, or the old one. */
void scene_set(const struct scenario *scenario, struct run *run);
void scene_newcomer(const struct scenario *scenario, struct run *run, bool traced);
void scene_remove_made(void);
/* Descriptors of a daemon, once it is quiet: one that has just answered us closes that connection in a moment. */
unsigned int scene_fds(const struct run *run, const struct tracee *tracee);

#endif
