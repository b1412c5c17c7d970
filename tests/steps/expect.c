// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>

#include "tests/steps/expect.h"

const char *const fault_names[FAULTS] = {
	[FAULT_KILL] = "kill", [FAULT_STOP] = "stop", [FAULT_TERM] = "term", [FAULT_MEMORY] = "memory",
	[FAULT_HANGUP] = "hangup", [FAULT_GARBAGE] = "garbage", [FAULT_OOM] = "oom",
};

/*
 * Once whatever else goes on has come to rest. The order is that of enum fault: kill, stop, term, memory, hangup,
 * garbage, oom. Each row is a row of PROTOCOL.md, named behind it.
 */
static const char *const promised[DMU_STATE_END][FAULTS] = {
	/* Newcomer; the other one is the old. */
	[DMU_STATE_START]	= { "o", "n", "o", "on", "n", "o", "o" },	/* accepted, no HELLO yet */
	[DMU_STATE_ALONE]	= { "-", "n", "-", "n-", "", "", "-" },		/* newcomer connects: nobody */
	[DMU_STATE_HELLO_SENT]	= { "o", "o", "o", "on", "o", "o", "o" },	/* old waits for READY */
	[DMU_STATE_PREPARING]	= { "o", "o", "o", "on", "o", "o", "o" },	/* old waits for READY */
	[DMU_STATE_READY_SENT]	= { "oO", "oO", "n", "noO", "oO", "oO", "oO" },	/* old drains, waits for TAKEN */
	[DMU_STATE_PEER_DRAINING] = { "oO", "oO", "n", "noO", "oO", "oO", "oO" },	/* old waits for TAKEN */
	[DMU_STATE_PEER_LEAVING] = { "-", "n", "n", "n", "n", "n", "-" },	/* old has heard TAKEN */
	[DMU_STATE_FENCING_OLD]	= { "-", "n", "n", "n", "n", "n", "-" },	/* waits for the death of the old */
	/* Old; the other one is a newcomer. */
	[DMU_STATE_SERVING]	= { "a", "o", "n", "no", "n", "o", "a" },	/* newcomer waits for OFFER */
	[DMU_STATE_OFFERED]	= { "n", "n", "n", "noO", "oO", "n", "n" },	/* newcomer prepares, waits for DRAINING */
	[DMU_STATE_DRAINING]	= { "n", "n", "n", "noO", "oO", "n", "n" },	/* newcomer waits for DRAINED */
	[DMU_STATE_DRAINED]	= { "n", "n", "n", "n", "n", "n", "n" },	/* newcomer waits for the end of the old */
	[DMU_STATE_FENCING_NEW]	= { "-", "o", "o", "o", "o", "o", "-" },	/* waits for the death of a newcomer */
	[DMU_STATE_FENCING_READY] = { "-", "oO", "oO", "oO", "oO", "oO", "-" },	/* likewise, undoes the drain */
	[DMU_STATE_UNDOING]	= { "-", "oO", "oO", "oO-", "oO", "oO", "-" },	/* undoes the drain, or joins anew */
};

/* Prepared: it no longer looks whether it is to end before it has said READY. */
static bool too_late_to_end(const struct place *place)
{
	return place->event == DMU_EVENT_PREPARED || place->event == DMU_EVENT_PREPARED_EXCLUSIVE;
}

/* The action that tells the other side of the state that a transition goes to. */
static bool tells(enum dmu_action action)
{
	switch (action) {
	case DMU_ACTION_SEND_HELLO:
	case DMU_ACTION_SEND_OFFER:
	case DMU_ACTION_SEND_READY:
	case DMU_ACTION_SEND_DRAINING:
	case DMU_ACTION_SEND_DRAINED:
	case DMU_ACTION_SEND_TAKEN:
	case DMU_ACTION_KILL_PEER:
		return true;
	default:
		return false;
	}
}

enum dmu_state expect_state(const struct place *place)
{
	const struct dmu_transition transition = dmu_transition(place->state, place->event);
	bool from_here = false;
	unsigned int i;

	if (place->action == DMU_ACTION_NONE)
		return place->state;
	for (i = 0; transition.actions[i] != DMU_ACTION_NONE; i++) {
		from_here |= transition.actions[i] == place->action;
		if (from_here && tells(transition.actions[i]))
			return place->state;
	}
	/* A newcomer that serves is no old one yet, and begins to by the first of these actions. */
	if (transition.next == DMU_STATE_SERVING && place->state <= DMU_STATE_FENCING_OLD)
		return place->action == DMU_ACTION_GO ? place->state : DMU_STATE_PEER_LEAVING;
	return transition.next;
}

const char *expect_outcome(const struct place *place, enum fault fault)
{
	enum dmu_state state = expect_state(place);

	if (state == DMU_STATE_DONE || state == DMU_STATE_FAILED)
		return "";
	/* TAKEN has been heard: whatever happens now, it is over. */
	if (place->state == DMU_STATE_DRAINED && place->event == DMU_EVENT_TAKEN)
		return "n";
	/* Dead: the newcomer is the last. */
	if (place->event == DMU_EVENT_PEER_DEAD && place->state < DMU_STATE_FENCING_OLD)
		state = DMU_STATE_PEER_LEAVING;
	/* It has lost its patience already, and nothing that is said changes that. */
	if (place->event == DMU_EVENT_TIMEOUT && (fault == FAULT_HANGUP || fault == FAULT_GARBAGE))
		return state <= DMU_STATE_FENCING_OLD ? "n" : "oO";
	if (fault == FAULT_TERM && too_late_to_end(place))
		return "n";
	return promised[state][fault];
}
