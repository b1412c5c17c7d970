// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>
#include <string.h>

#include "tests/steps/expect.h"

const char *const fault_names[FAULTS] = {
	[FAULT_KILL] = "kill", [FAULT_STOP] = "stop", [FAULT_TERM] = "term", [FAULT_MEMORY] = "memory",
	[FAULT_HANGUP] = "hangup", [FAULT_GARBAGE] = "garbage", [FAULT_OOM] = "oom", [FAULT_REMOVE] = "remove",
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
	[DMU_STATE_READY_SENT]	= { "O", "O", "n", "n", "O", "O", "O" },	/* old waits for TAKEN, drained */
	[DMU_STATE_PEER_DRAINING] = { "O", "O", "n", "nO", "O", "O", "O" },	/* likewise */
	[DMU_STATE_PEER_LEAVING] = { "-", "n", "n", "n", "n", "n", "-" },	/* old has heard TAKEN */
	[DMU_STATE_FENCING_OLD]	= { "-", "n", "n", "n", "n", "n", "-" },	/* waits for the death of the old */
	/* Old; the other one is a newcomer. */
	[DMU_STATE_SERVING]	= { "a", "o", "n", "no", "n", "o", "a" },	/* newcomer waits for OFFER */
	[DMU_STATE_OFFERED]	= { "n", "n", "n", "no", "oO", "n", "n" },	/* newcomer waits for DRAINING */
	[DMU_STATE_DRAINING]	= { "n", "n", "n", "n", "oO", "n", "n" },	/* newcomer waits for DRAINED */
	[DMU_STATE_DRAINED]	= { "n", "n", "n", "n", "n", "n", "n" },	/* newcomer waits for the end of the old */
	[DMU_STATE_FENCING_NEW]	= { "-", "o", "o", "o", "o", "o", "-" },	/* waits for the death of a newcomer */
	[DMU_STATE_FENCING_READY] = { "-", "oO", "oO", "oO", "oO", "oO", "-" },	/* likewise, undoes the drain */
	[DMU_STATE_UNDOING]	= { "-", "oO", "oO", "oO", "oO", "oO", "-" },	/* undoes the drain, or joins anew */
};

/* What is different where there is state in memory. */
static const char *const promised_state[DMU_STATE_END][FAULTS] = {
	/* "With state: without it" if the old one is killed; if it is silent or wrong, "sends ABORT and fails". */
	[DMU_STATE_OFFERED]	= { "N", "oO", "n", "no", "oO", "oO", "N" },
	[DMU_STATE_DRAINING]	= { "N", "oO", "n", "nO", "oO", "oO", "N" },
};

/* The newcomer gives an old one up that alone has state: whatever happens to itself, that one has it. */
static const char *const spared[FAULTS] = { "oO", "oO", "oO", "oO", "oO", "oO", "oO" };

/* The old one has died with its state. */
static const char *const lost[FAULTS] = { "-", "N", "N", "N", "N", "N", "-" };

/*
 * The old one hangs, and rolls back when it wakes, if it finds that it is to; before, the newcomer's patience ends.
 * In the later ones it has said DRAINED, and not heard TAKEN: it does not commit to a newcomer that is dead.
 */
static const char *const hanging[DMU_STATE_END][FAULTS] = {
	[DMU_STATE_READY_SENT] = { "oO", "oO", "n", "n", "n", "n", "oO" },	/* O if it has said DRAINED */
	[DMU_STATE_PEER_DRAINING] = { "O", "O", "n", "nO", "n", "n", "O" },
	[DMU_STATE_PEER_LEAVING] = { "O", "n", "n", "n", "n", "n", "O" },
};

static bool alone_has_state(const struct place *place, enum dmu_state state)
{
	bool waits = place->state == DMU_STATE_READY_SENT || place->state == DMU_STATE_PEER_DRAINING;

	if (!place->stateful)
		return false;
	if (waits && (place->event == DMU_EVENT_TIMEOUT || place->event == DMU_EVENT_WRONG))
		return true;
	return place->event == DMU_EVENT_SPARED || (place->hangs && !place->late && state == DMU_STATE_READY_SENT);
}

/* Drained: what is undone then is undone by joining anew. */
static bool is_drained(const struct place *place)
{
	return place->event == DMU_EVENT_DRAINED || place->event == DMU_EVENT_UNDO_REFUSED || place->late;
}

static const char *row(const struct place *place, enum dmu_state state, enum fault fault)
{
	const char *letters = NULL;

	/* Until it is dead. */
	if (place->hangs && place->state < DMU_STATE_FENCING_OLD && place->event != DMU_EVENT_PEER_DEAD)
		letters = hanging[state][fault];
	if (!letters && place->stateful)
		letters = promised_state[state][fault];
	if (!letters)
		letters = promised[state][fault];
	return letters && !strcmp(letters, "oO") && is_drained(place) ? "O" : letters;
}

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

	if (fault == FAULT_REMOVE)
		return "x";
	if (alone_has_state(place, state))
		return spared[fault];
	if (state == DMU_STATE_DONE || state == DMU_STATE_FAILED)
		return "";
	/* TAKEN has been heard: whatever happens now, it is over. */
	if (place->state == DMU_STATE_DRAINED && place->event == DMU_EVENT_TAKEN)
		return "n";
	/* Dead: the newcomer is the last. */
	if (place->died || (place->event == DMU_EVENT_PEER_DEAD && place->state < DMU_STATE_FENCING_OLD)) {
		if (place->stateful && place->state < DMU_STATE_PEER_LEAVING)
			return lost[fault];
		state = DMU_STATE_PEER_LEAVING;
	}
	/* It has lost its patience already, and nothing that is said changes that. */
	if (place->event == DMU_EVENT_TIMEOUT && (fault == FAULT_HANGUP || fault == FAULT_GARBAGE))
		return state <= DMU_STATE_FENCING_OLD ? "n" : "oO";
	/* Old cannot drain. */
	if (fault == FAULT_MEMORY && place->action == DMU_ACTION_DRAIN)
		return "o";
	if (fault == FAULT_TERM && too_late_to_end(place))
		return "n";
	return row(place, state, fault);
}
