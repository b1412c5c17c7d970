// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * protocol states | handover: print the protocol's transition table as a graph for graphviz.
 * "states": each change of state, with the events that make it; "wrong" also stands for every
 * message that is out of order. "handover": two daemons that start from the table and receive each
 * other's messages, until a new generation serves alone.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "handover/transition.h"

static void graph_begin(const char *name)
{
	printf("// Written by tools/protocol from handover/transition.c: run \"make pictures\".\n"
	       "digraph %s {\n"
	       "\tnode [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=11];\n"
	       "\tedge [fontname=\"sans-serif\", fontsize=9];\n", name);
}

/* ---- every state ---- */

static bool is_an_end(enum dmu_state state)
{
	return state == DMU_STATE_DONE || state == DMU_STATE_FAILED;
}

/* true: in @state, the table treats a sound message like a malformed one: it is out of order. */
static bool is_out_of_order(enum dmu_state state, enum dmu_event event)
{
	const struct dmu_transition wrong = dmu_transition(state, DMU_EVENT_WRONG);
	const struct dmu_transition it = dmu_transition(state, event);

	return event >= DMU_EVENT_HELLO && event < DMU_EVENT_WRONG &&
	       !memcmp(&it, &wrong, sizeof(it));
}

/* Print one arrow with all events that lead from one state to the other. */
static void arrow_put(enum dmu_state from, enum dmu_state to)
{
	unsigned int event, count = 0;

	for (event = 0; event < DMU_EVENT_END; event++) {
		if (dmu_transition(from, event).next != to || is_out_of_order(from, event))
			continue;
		printf(count++ ? "\\n%s" : "\t\"%2$s\" -> \"%3$s\" [label=\"%1$s",
		       dmu_event_name(event), dmu_state_name(from), dmu_state_name(to));
	}
	if (count)
		printf("\"%s];\n",
		       to == DMU_STATE_FAILED ? ", color=gray60, fontcolor=gray40" : "");
}

static void states_put(void)
{
	unsigned int from, to;

	graph_begin("states");
	printf("\t\"%s\" [style=\"rounded,bold\"];\n", dmu_state_name(DMU_STATE_SERVING));
	for (from = 0; from < DMU_STATE_END; from++)
		for (to = 0; to < DMU_STATE_END && !is_an_end(from); to++)
			if (from != to)
				arrow_put(from, to);
	printf("}\n");
}

/* ---- one handover ---- */

enum side { NEWCOMER, OLD };

static const char *const side_names[] = { "newcomer", "old" };

/* The effect of an action: a message to the other daemon, or the daemon's own event of success. */
static const struct {
	enum dmu_action action;
	bool is_message;
	enum dmu_event event;
} effects[] = {
	{ DMU_ACTION_SEND_HELLO, true, DMU_EVENT_HELLO },
	{ DMU_ACTION_SEND_OFFER, true, DMU_EVENT_OFFER },
	{ DMU_ACTION_PREPARE, false, DMU_EVENT_PREPARED },
	{ DMU_ACTION_SEND_READY, true, DMU_EVENT_READY },
	{ DMU_ACTION_SEND_DRAINING, true, DMU_EVENT_PEER_DRAINING },
	{ DMU_ACTION_DRAIN, false, DMU_EVENT_DRAINED },
	{ DMU_ACTION_SEND_DRAINED, true, DMU_EVENT_PEER_DRAINED },
	{ DMU_ACTION_SEND_TAKEN, true, DMU_EVENT_TAKEN },
};

#define EFFECTS	(sizeof(effects) / sizeof(effects[0]))

struct queued {
	enum side side;			/* that gets the event */
	enum dmu_event event;
	bool is_message;
};

static struct queued queue[32];
static unsigned int head, tail;
/* The number of rows in the picture so far. */
static unsigned int row;
static enum dmu_state states[2] = { DMU_STATE_START, DMU_STATE_SERVING };

/* Print both states, side by side, below the row before. An unchanged state is a point. */
static void row_put(const enum dmu_state before[2], const char *event, enum side at)
{
	unsigned int side;

	for (side = NEWCOMER; side <= OLD; side++) {
		if (row && states[side] == before[side])
			printf("\t%s%u [shape=point, color=gray60];\n", side_names[side], row);
		else
			printf("\t%s%u [label=\"%s\"%s];\n", side_names[side], row,
			       dmu_state_name(states[side]),
			       states[side] == DMU_STATE_SERVING ? ", style=\"rounded,bold\"" : "");
		if (row)
			printf("\t%1$s%2$u -> %1$s%3$u "
			       "[dir=none, color=gray60, weight=9, label=\"%4$s\"];\n",
			       side_names[side], row - 1, row, side == at ? event : "");
	}
	printf("\t{ rank=same; newcomer%1$u -> old%1$u [style=invis, minlen=9]; }\n", row++);
}

/* The name of a message is that of the sender's event. */
static const char *message_name(enum dmu_event event)
{
	const char *name = dmu_event_name(event);

	return strncmp(name, "peer-", strlen("peer-")) ? name : name + strlen("peer-");
}

static void happen(struct queued what)
{
	const struct dmu_transition transition = dmu_transition(states[what.side], what.event);
	enum side other = what.side == NEWCOMER ? OLD : NEWCOMER;
	const enum dmu_state before[2] = { states[NEWCOMER], states[OLD] };
	const enum dmu_action *action;
	unsigned int i;

	states[what.side] = transition.next;
	row_put(before, what.is_message ? "" : dmu_event_name(what.event), what.side);
	if (what.is_message)
		printf("\t%s%u -> %s%u [label=\"%s\", constraint=false];\n", side_names[other],
		       row - 1, side_names[what.side], row - 1, message_name(what.event));
	for (action = transition.actions; *action != DMU_ACTION_NONE; action++)
		for (i = 0; i < EFFECTS && tail < sizeof(queue) / sizeof(queue[0]); i++)
			if (effects[i].action == *action)
				queue[tail++] = (struct queued){
					effects[i].is_message ? other : what.side,
					effects[i].event, effects[i].is_message,
				};
}

static int handover_put(void)
{
	graph_begin("handover");
	printf("\tranksep=0.25;\n");
	row_put(states, "", NEWCOMER);
	happen((struct queued){ NEWCOMER, DMU_EVENT_CONNECTED, false });
	while (head < tail)
		happen(queue[head++]);
	if (states[OLD] == DMU_STATE_DONE)
		happen((struct queued){ NEWCOMER, DMU_EVENT_PEER_DEAD, false });
	printf("}\n");
	return states[OLD] == DMU_STATE_DONE && states[NEWCOMER] == DMU_STATE_SERVING ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "states")) {
		states_put();
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "handover"))
		return handover_put();
	fprintf(stderr, "usage: protocol states | handover\n");
	return 2;
}
