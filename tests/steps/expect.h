/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The promises of PROTOCOL.md for a fault of one side of a handover: data, and no I/O. */
#ifndef STEPS_EXPECT_H
#define STEPS_EXPECT_H

#include <stdbool.h>

#include "handover/transition.h"

/* A daemon's fault at a point. */
enum fault {
	FAULT_KILL,		/* SIGKILL */
	FAULT_STOP,		/* SIGSTOP for longer than every timeout, then SIGCONT */
	FAULT_TERM,		/* SIGTERM */
	FAULT_MEMORY,		/* the next system call that may fail with ENOMEM does */
	FAULT_HANGUP,		/* its connection to the other daemon is shut down */
	FAULT_GARBAGE,		/* its next packet is no message */
	FAULT_OOM,		/* the kernel's OOM killer chooses it */
	FAULT_REMOVE,		/* the device is removed; only in scenarios for this fault */
	FAULTS
};

extern const char *const fault_names[FAULTS];

/* Where a daemon is: about to take a transition, or about to do one of its actions. */
struct place {
	enum dmu_state state;		/* before the transition */
	enum dmu_event event;
	enum dmu_action action;		/* DMU_ACTION_NONE: before all of them */
	bool stateful;			/* there is state in memory */
	bool hangs, died;		/* the old daemon; the newcomer gets the fault */
	bool late;			/* after the old daemon has said DRAINED */
};

/*
 * The allowed outcomes, a letter each. o: the old daemon serves on as the same generation; O: as a
 * further generation. n: the newcomer serves; N: without the state that there was. -: no daemon
 * serves, and a restart succeeds. a: a newcomer that finds no daemon serves, unless the node is
 * sealed. x: nothing is left. NULL: nothing is promised, which is a mistake in the table.
 */
const char *expect_outcome(const struct place *place, enum fault fault);

/* The state whose promises hold at @place: those of a state begin when the other side is told. */
enum dmu_state expect_state(const struct place *place);

#endif
