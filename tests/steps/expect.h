/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What PROTOCOL.md promises when something happens to one side of a handover: data, and no I/O. */
#ifndef STEPS_EXPECT_H
#define STEPS_EXPECT_H

#include <stdbool.h>

#include "handover/transition.h"

/* What happens to a daemon at a point. */
enum fault {
	FAULT_KILL,		/* SIGKILL */
	FAULT_STOP,		/* SIGSTOP for longer than every timeout, then SIGCONT */
	FAULT_TERM,		/* SIGTERM */
	FAULT_MEMORY,		/* the next system call that may fail for want of memory does */
	FAULT_HANGUP,		/* its connection to the other daemon is shut down */
	FAULT_GARBAGE,		/* what it says next is no message */
	FAULT_OOM,		/* the kernel's OOM killer chooses it */
	FAULT_REMOVE,		/* the device is removed: of its own kind, in a scenario of its own */
	FAULTS
};

extern const char *const fault_names[FAULTS];

/* Where a daemon is: about to take a transition, or about to do one of its actions. */
struct place {
	enum dmu_state state;		/* before the transition */
	enum dmu_event event;
	enum dmu_action action;		/* DMU_ACTION_NONE: before all of them */
	bool stateful;			/* there is state in memory */
	bool hangs, died;		/* the old one does, or has, and we are the newcomer */
	bool late;			/* after it has said DRAINED */
};

/*
 * Who may serve afterwards, a letter each: o the old one, as the same generation; O the old one, as a further one;
 * n the newcomer; - nobody, and a restart does; a whoever finds nobody, the newcomer unless the node is sealed.
 * NULL: nothing is promised, which is a mistake in the table.
 */
const char *expect_outcome(const struct place *place, enum fault fault);

/* The state whose promises hold there: a state's own begin when the other side has been told. */
enum dmu_state expect_state(const struct place *place);

#endif
