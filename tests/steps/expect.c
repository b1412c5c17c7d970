// SPDX-License-Identifier: GPL-2.0-or-later
#include <stddef.h>
#include <string.h>

#include "tests/steps/expect.h"

const char *const fault_names[FAULTS] = {
	[FAULT_KILL] = "kill", [FAULT_STOP] = "stop", [FAULT_TERM] = "term",
	[FAULT_MEMORY] = "memory", [FAULT_HANGUP] = "hangup", [FAULT_GARBAGE] = "garbage",
	[FAULT_OOM] = "oom", [FAULT_REMOVE] = "remove",
};

/*
 * The outcomes when all else has come to rest before the fault, in the order of enum fault: kill,
 * stop, term, memory, hangup, garbage, oom. The comment behind a row names the row of PROTOCOL.md:
 * "for X" means that the other side, in the last rows this side, waits for X.
 */
static const char *const promised[DMU_STATE_END][FAULTS] = {
	/* This side is the newcomer; the other side, if there is one, is the old daemon. */
	[DMU_STATE_START]	= { "o", "n", "o", "on", "n", "o", "o" },	/* no HELLO yet */
	[DMU_STATE_ALONE]	= { "-", "n", "-", "n-", "", "", "-" },		/* no listener */
	[DMU_STATE_HELLO_SENT]	= { "o", "o", "o", "on", "o", "o", "o" },	/* for READY */
	[DMU_STATE_PREPARING]	= { "o", "o", "o", "on", "o", "o", "o" },	/* for READY */
	[DMU_STATE_READY_SENT]	= { "O", "O", "n", "n", "O", "O", "O" },	/* for TAKEN */
	[DMU_STATE_PEER_DRAINING] = { "O", "O", "n", "nO", "O", "O", "O" },	/* for TAKEN */
	[DMU_STATE_PEER_LEAVING] = { "-", "n", "n", "n", "n", "n", "-" },	/* heard TAKEN */
	[DMU_STATE_FENCING_OLD]	= { "-", "n", "n", "n", "n", "n", "-" },	/* for its death */
	/* This side is the old daemon; the other side is a newcomer. */
	[DMU_STATE_SERVING]	= { "a", "o", "n", "no", "n", "o", "a" },	/* for OFFER */
	[DMU_STATE_OFFERED]	= { "n", "n", "n", "no", "oO", "n", "n" },	/* for DRAINING */
	[DMU_STATE_DRAINING]	= { "n", "n", "n", "n", "oO", "n", "n" },	/* for DRAINED */
	[DMU_STATE_DRAINED]	= { "n", "n", "n", "n", "n", "n", "n" },	/* for the end */
	[DMU_STATE_FENCING_NEW]	= { "-", "o", "o", "o", "o", "o", "-" },	/* for its death */
	[DMU_STATE_FENCING_READY] = { "-", "oO", "oO", "oO", "oO", "oO", "-" },	/* for its death */
	[DMU_STATE_UNDOING]	= { "-", "oO", "oO", "oO", "oO", "oO", "-" },	/* undoes drain */
};

/* The outcomes that differ with state in memory. */
static const char *const promised_state[DMU_STATE_END][FAULTS] = {
	/* Killed: "with state: without it". Silent or wrong: "sends ABORT and fails". */
	[DMU_STATE_OFFERED]	= { "N", "oO", "n", "no", "oO", "oO", "N" },
	[DMU_STATE_DRAINING]	= { "N", "oO", "n", "nO", "oO", "oO", "N" },
};

/* The old daemon alone has state: the newcomer gives up, and the old daemon serves in any case. */
static const char *const spared[FAULTS] = { "oO", "oO", "oO", "oO", "oO", "oO", "oO" };

/* The old daemon has died with its state. */
static const char *const lost[FAULTS] = { "-", "N", "N", "N", "N", "N", "-" };

/*
 * The old daemon hangs until after the newcomer's patience has ended. When it wakes, it rolls
 * back if it finds a reason to. In the later states it has said DRAINED and not heard TAKEN: it
 * does not commit to a newcomer that is dead.
 */
static const char *const hanging[DMU_STATE_END][FAULTS] = {
	/* O if it has said DRAINED. */
	[DMU_STATE_READY_SENT] = { "oO", "oO", "n", "n", "n", "n", "oO" },
	[DMU_STATE_PEER_DRAINING] = { "O", "O", "n", "nO", "n", "n", "O" },
	[DMU_STATE_PEER_LEAVING] = { "O", "n", "n", "n", "n", "n", "O" },
};

static bool alone_has_state(const struct place *place, enum dmu_state state)
{
	bool waits = place->state == DMU_STATE_READY_SENT ||
		     place->state == DMU_STATE_PEER_DRAINING;

	if (!place->stateful)
		return false;
	if (waits && (place->event == DMU_EVENT_TIMEOUT || place->event == DMU_EVENT_WRONG))
		return true;
	return place->event == DMU_EVENT_SPARED ||
	       (place->hangs && !place->late && state == DMU_STATE_READY_SENT);
}

/* The drain is complete: the old daemon can undo it only by joining anew. */
static bool is_drained(const struct place *place)
{
	return place->event == DMU_EVENT_DRAINED || place->event == DMU_EVENT_UNDO_REFUSED ||
	       place->late;
}

static const char *row(const struct place *place, enum dmu_state state, enum fault fault)
{
	const char *letters = NULL;

	/* The old daemon hangs, and is not dead. */
	if (place->hangs && place->state < DMU_STATE_FENCING_OLD &&
	    place->event != DMU_EVENT_PEER_DEAD)
		letters = hanging[state][fault];
	if (!letters && place->stateful)
		letters = promised_state[state][fault];
	if (!letters)
		letters = promised[state][fault];
	return letters && !strcmp(letters, "oO") && is_drained(place) ? "O" : letters;
}

/* A newcomer that is prepared says READY before it looks for signals again. */
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
	/* A newcomer that becomes the only daemon is no old daemon yet; it serves after GO. */
	if (transition.next == DMU_STATE_SERVING && place->state <= DMU_STATE_FENCING_OLD)
		return place->action == DMU_ACTION_BEGIN || place->action == DMU_ACTION_GO ?
		       place->state : DMU_STATE_PEER_LEAVING;
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
	/* TAKEN has been heard: the newcomer serves, whatever happens. */
	if (place->state == DMU_STATE_DRAINED && place->event == DMU_EVENT_TAKEN)
		return "n";
	/* The old daemon is dead: the newcomer is the only daemon. */
	if (place->died ||
	    (place->event == DMU_EVENT_PEER_DEAD && place->state < DMU_STATE_FENCING_OLD)) {
		if (place->stateful && place->state < DMU_STATE_PEER_LEAVING)
			return lost[fault];
		state = DMU_STATE_PEER_LEAVING;
	}
	/* The daemon's patience has ended already: no message changes that. */
	if (place->event == DMU_EVENT_TIMEOUT && (fault == FAULT_HANGUP || fault == FAULT_GARBAGE))
		return state <= DMU_STATE_FENCING_OLD ? "n" : "oO";
	/* The old daemon cannot drain. */
	if (fault == FAULT_MEMORY && place->action == DMU_ACTION_DRAIN)
		return "o";
	if (fault == FAULT_TERM && too_late_to_end(place))
		return "n";
	return row(place, state, fault);
}
