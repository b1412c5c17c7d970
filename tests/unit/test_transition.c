// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * P1, P2, P4, P7: the transition table: every pair of state and event, and then two tables that
 * talk to each other, in every order of events, with either side killed or stopped at every step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "handover/transition.h"

static bool has(const struct dmu_transition *transition, enum dmu_action action)
{
	unsigned int i;

	for (i = 0; transition->actions[i] != DMU_ACTION_NONE; i++)
		if (transition->actions[i] == action)
			return true;
	return false;
}

static bool is_over(unsigned int state)
{
	return state == DMU_STATE_DONE || state == DMU_STATE_FAILED;
}

/*
 * The next state of every pair: '.' is the same state without actions, '=' the same state with
 * actions, else a letter of state_letters. The columns are enum dmu_event, in groups:
 *
 *	CONNECTED NO_PEER PREPARED PREPARED_EXCLUSIVE PREPARE_FAILED
 *	HELLO OFFER ROOM READY PEER_DRAINING PEER_DRAINED TAKEN REFUSE ABORT WRONG
 *	HANGUP PEER_DEAD
 *	OFFER_FAILED DRAIN_FAILED DRAINED EXPORT_FAILED BEGIN_FAILED SPARED
 *	UNDONE UNDO_REFUSED REJOINED REJOIN_FAILED
 *	TARGET_GONE SERVER_FAILED TIMEOUT TERMINATE
 */
static const char state_letters[DMU_STATE_END + 1] = "sAHPRplfSOndDrUXF";

static const char *const next_states[DMU_STATE_END] = {
	[DMU_STATE_START]	= "HA..." ".......F.." ".." ".........." "...F",
	[DMU_STATE_ALONE]	= "..SSF" ".........." ".." ".........." "....",
	[DMU_STATE_HELLO_SENT]	= "....." "FPFFFFFFFF" "s." ".........." "..FF",
	[DMU_STATE_PREPARING]	= "..RRF" ".........." ".." ".........." "....",
	[DMU_STATE_READY_SENT]	= "....." "ffffpffFFf" "=S" "..F......." "FFf=",
	[DMU_STATE_PEER_DRAINING] = "....." "ffffflfFFf" "=S" "..F......." "FFf=",
	[DMU_STATE_PEER_LEAVING] = "....." "fffffffFFf" "=S" "..F.F....." "FFf=",
	[DMU_STATE_FENCING_OLD]	= "....." ".........." ".S" "..F..F...." "FF==",
	[DMU_STATE_SERVING]	= "....." "O........." ".." "..F.F....." "XF.=",
	[DMU_STATE_OFFERED]	= "....." "nn.dnnnnnn" "nS" "S.F......." "XFn=",
	[DMU_STATE_FENCING_NEW]	= "....." ".........." ".S" "..F......." "XF==",
	[DMU_STATE_DRAINING]	= "....." "rrrrrrrrrr" "rU" ".rD......." "XF==",
	[DMU_STATE_DRAINED]	= "....." "rrrrrrXrrr" "rU" "...r......" "X.r=",
	[DMU_STATE_FENCING_READY] = "....." ".........." ".U" ".........." "XF==",
	[DMU_STATE_UNDOING]	= "....." ".........." ".." "......S=SF" "X...",
	[DMU_STATE_DONE]	= "....." ".........." ".." ".........." "....",
	[DMU_STATE_FAILED]	= "....." ".........." ".." ".........." "....",
};

static void every_pair_leads_where_it_should(void **test)
{
	unsigned int state, event;

	for (state = 0; state < DMU_STATE_END; state++) {
		assert_int_equal(strlen(next_states[state]), DMU_EVENT_END);
		for (event = 0; event < DMU_EVENT_END; event++) {
			const struct dmu_transition transition = dmu_transition(state, event);
			char got = state_letters[transition.next];

			if (transition.next == state)
				got = transition.actions[0] == DMU_ACTION_NONE ? '.' : '=';
			if (got != next_states[state][event])
				fail_msg("%s, %s: '%c', not '%c'", dmu_state_name(state),
					 dmu_event_name(event), got, next_states[state][event]);
		}
	}
}

static void every_pair_is_sound(void **test)
{
	unsigned int state, event, i;

	for (state = 0; state < DMU_STATE_END; state++) {
		for (event = 0; event < DMU_EVENT_END; event++) {
			const struct dmu_transition transition = dmu_transition(state, event);

			assert_in_range(transition.next, 0, DMU_STATE_END - 1);
			for (i = 0; transition.actions[i] != DMU_ACTION_NONE; i++) {
				assert_in_range(i, 0, DMU_TRANSITION_ACTIONS - 1);
				assert_in_range(transition.actions[i], 1, DMU_ACTION_END - 1);
			}
			/* After a kill the daemon waits for the death, and does nothing else. */
			if (has(&transition, DMU_ACTION_KILL_PEER)) {
				assert_true(transition.next == DMU_STATE_FENCING_OLD ||
					    transition.next == DMU_STATE_FENCING_NEW ||
					    transition.next == DMU_STATE_FENCING_READY);
				assert_true(has(&transition, DMU_ACTION_ARM_TIMER));
			}
			/* Only the peer's death leads from fencing to serving or undoing. */
			if ((state == DMU_STATE_FENCING_OLD || state == DMU_STATE_FENCING_NEW) &&
			    transition.next == DMU_STATE_SERVING)
				assert_int_equal(event, DMU_EVENT_PEER_DEAD);
			if (state == DMU_STATE_FENCING_READY &&
			    transition.next == DMU_STATE_UNDOING)
				assert_int_equal(event, DMU_EVENT_PEER_DEAD);
			if (has(&transition, DMU_ACTION_DRAIN))
				assert_true(state == DMU_STATE_OFFERED && event == DMU_EVENT_READY);
			/* The old daemon drains, then exports, then sends DRAINED. */
			if (has(&transition, DMU_ACTION_EXPORT))
				assert_true(event == DMU_EVENT_DRAINED &&
					    transition.actions[0] == DMU_ACTION_EXPORT);
			if (has(&transition, DMU_ACTION_SEND_DRAINED))
				assert_true(has(&transition, DMU_ACTION_EXPORT));
			/* Without TAKEN a daemon leaves only if the device is gone. */
			if (transition.next == DMU_STATE_DONE && state != DMU_STATE_DONE)
				assert_true(
					event == DMU_EVENT_TARGET_GONE ||
					(state == DMU_STATE_DRAINED && event == DMU_EVENT_TAKEN));
			/* A newcomer that fails gives the reason to the process that started it. */
			if (transition.next == DMU_STATE_FAILED && state < DMU_STATE_SERVING)
				assert_true(has(&transition, DMU_ACTION_REPORT_FAILURE));
		}
	}
}

static void nothing_happens_after_the_end(void **test)
{
	unsigned int event;

	for (event = 0; event < DMU_EVENT_END; event++) {
		assert_int_equal(dmu_transition(DMU_STATE_DONE, event).actions[0], DMU_ACTION_NONE);
		assert_int_equal(dmu_transition(DMU_STATE_FAILED, event).next, DMU_STATE_FAILED);
	}
	assert_int_equal(dmu_transition(DMU_STATE_END, DMU_EVENT_HELLO).next, DMU_STATE_END);
	assert_int_equal(dmu_transition(DMU_STATE_SERVING, DMU_EVENT_END).next, DMU_STATE_SERVING);
}

/* Each state that waits for a peer ends by itself if the peer is silent. */
static void no_wait_is_for_ever(void **test)
{
	static const enum dmu_state waits[] = {
		DMU_STATE_HELLO_SENT, DMU_STATE_READY_SENT, DMU_STATE_PEER_DRAINING,
		DMU_STATE_PEER_LEAVING, DMU_STATE_FENCING_OLD, DMU_STATE_OFFERED,
		DMU_STATE_DRAINING, DMU_STATE_DRAINED, DMU_STATE_FENCING_NEW,
		DMU_STATE_FENCING_READY,
	};
	unsigned int i, event;

	for (i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		struct dmu_transition transition = dmu_transition(waits[i], DMU_EVENT_TIMEOUT);

		assert_true(is_over(transition.next) || has(&transition, DMU_ACTION_ARM_TIMER));
		/* Each transition to a state that waits arms the timer. */
		for (event = 0; event < DMU_EVENT_END; event++) {
			unsigned int from;

			for (from = 0; from < DMU_STATE_END; from++) {
				transition = dmu_transition(from, event);
				if (from != waits[i] && transition.next == waits[i])
					assert_true(has(&transition, DMU_ACTION_ARM_TIMER));
			}
		}
	}
}

static void a_signal_does_not_end_who_serves(void **test)
{
	unsigned int state;

	for (state = DMU_STATE_READY_SENT; state < DMU_STATE_DONE; state++)
		assert_int_equal(dmu_transition(state, DMU_EVENT_TERMINATE).next, state);
}

static void everything_has_a_name(void **test)
{
	unsigned int i;

	for (i = 0; i < DMU_STATE_END; i++)
		assert_true(dmu_state_name(i) && strcmp(dmu_state_name(i), "?"));
	for (i = 0; i < DMU_EVENT_END; i++)
		assert_true(dmu_event_name(i) && strcmp(dmu_event_name(i), "?"));
	for (i = 0; i < DMU_ACTION_END; i++)
		assert_true(dmu_action_name(i) && strcmp(dmu_action_name(i), "?"));
	assert_string_equal(dmu_state_name(DMU_STATE_END), "?");
}

/* ---- two daemons, a kernel, and misfortunes ---- */

#define QUEUE_MAX	6
#define WORLDS_MAX	200000

enum { OLD, NEW };
/*
 * How the daemons hand over: the last three with state that only the old daemon's memory has; the
 * last four with backends that begin.
 */
enum order { OVERLAP, EXCLUSIVE, INDEXED, STATEFUL, EXPORT_FAILS, IMPORT_FAILS, ORDERS };
enum generation { READS, DRAINS, DRAINED };

/*
 * One end: a process, its socket, and the messages sent to it. All fields are bytes, so that
 * memcmp() compares worlds.
 */
struct end {
	uint8_t state;
	uint8_t alive, stopped;
	uint8_t open;			/* its socket */
	uint8_t knows;			/* has a pidfd of the other end */
	uint8_t armed;
	uint8_t count, queue[QUEUE_MAX];	/* events to come */
};

struct world {
	struct end ends[2];
	uint8_t generation;		/* of the old daemon; enum generation */
	uint8_t going;			/* the newcomer's threads serve */
	uint8_t order;			/* enum order */
	uint8_t exported, imported;	/* the state */
	uint8_t begun;			/* the newcomer's backend */
	uint8_t served;			/* the newcomer has: the old state is out of date */
	uint8_t old_killed;		/* by a misfortune */
	uint8_t kills, stops;		/* that may still happen */
	uint8_t fine;			/* no misfortune has happened */
	uint8_t late;			/* how often a daemon was stopped: timers may run out */
	uint8_t excused;		/* the only daemon that could serve was killed */
	uint8_t overflow;
};

static struct world *worlds;
static unsigned int world_count;

static void world_add(const struct world *world)
{
	unsigned int i;

	for (i = 0; i < world_count; i++)
		if (!memcmp(&worlds[i], world, sizeof(*world)))
			return;
	assert_true(world_count < WORLDS_MAX);
	worlds[world_count++] = *world;
}

static void world_die(struct world *world, unsigned int side)
{
	struct end *end = &world->ends[side];

	end->alive = 0;
	end->stopped = 0;
	end->open = 0;
	end->armed = 0;
	if (side == NEW)
		world->going = 0;
}

static void world_send(struct world *world, unsigned int from, enum dmu_event event)
{
	struct end *to = &world->ends[!from];

	if (!world->ends[from].open || !to->open)
		return;
	if (to->count == QUEUE_MAX)
		world->overflow = 1;
	else
		to->queue[to->count++] = event;
}

static void world_dispatch(struct world *world, unsigned int side, enum dmu_event event);

static void world_close(struct world *world, unsigned int side)
{
	world->ends[side].open = 0;
	world->ends[side].count = 0;
}

/* The newcomer connects; the old daemon listens as long as it lives. */
static enum dmu_event world_connect(struct world *world)
{
	struct end *old = &world->ends[OLD], *new = &world->ends[NEW];

	if (!old->alive)
		return DMU_EVENT_NO_PEER;
	if (old->state != DMU_STATE_SERVING)
		return DMU_EVENT_REFUSE;
	old->open = new->open = 1;
	old->count = new->count = 0;
	return DMU_EVENT_CONNECTED;
}

/* Do an action of @side; returns the event that it makes, or DMU_EVENT_END. */
static enum dmu_event world_act(struct world *world, unsigned int side, enum dmu_action action)
{
	struct end *end = &world->ends[side], *other = &world->ends[!side];

	switch (action) {
	case DMU_ACTION_CONNECT:
		return world_connect(world);
	case DMU_ACTION_PREPARE:
		return end->state == DMU_STATE_PREPARING && world->order != OVERLAP ?
			       DMU_EVENT_PREPARED_EXCLUSIVE :
			       DMU_EVENT_PREPARED;
	case DMU_ACTION_GO:
		assert_true(world->begun || world->order < INDEXED);
		world->going = world->served = 1;
		/* State is lost only with an old daemon that a misfortune has killed. */
		if (world->order >= STATEFUL)
			assert_true(world->imported || world->old_killed);
		break;
	case DMU_ACTION_SEND_ROOM:
		if (world->order >= STATEFUL)
			world_send(world, side, DMU_EVENT_ROOM);
		break;
	case DMU_ACTION_EXPORT:
		if (world->order == EXPORT_FAILS)
			return DMU_EVENT_EXPORT_FAILED;
		assert_int_equal(world->generation, DRAINED);
		world->exported = world->order >= STATEFUL;
		break;
	case DMU_ACTION_BEGIN:
		/* Once, after the old daemon's last answer or death. */
		if (world->order < INDEXED || world->begun)
			break;
		assert_true(!other->alive || world->generation == DRAINED);
		if (end->state == DMU_STATE_PEER_LEAVING) {
			assert_true(world->exported || world->order == INDEXED);
			if (world->order == IMPORT_FAILS)
				return DMU_EVENT_BEGIN_FAILED;
			world->imported = 1;
		}
		world->begun = 1;
		break;
	case DMU_ACTION_SEND_HELLO:
		world_send(world, side, DMU_EVENT_HELLO);
		break;
	case DMU_ACTION_SEND_OFFER:
		world_send(world, side, DMU_EVENT_OFFER);
		break;
	case DMU_ACTION_SEND_READY:
		world_send(world, side, DMU_EVENT_READY);
		break;
	case DMU_ACTION_SEND_DRAINING:
		world_send(world, side, DMU_EVENT_PEER_DRAINING);
		break;
	case DMU_ACTION_SEND_DRAINED:
		world_send(world, side, DMU_EVENT_PEER_DRAINED);
		break;
	case DMU_ACTION_SEND_TAKEN:
		world_send(world, side, DMU_EVENT_TAKEN);
		break;
	case DMU_ACTION_SEND_REFUSE:
		world_send(world, side, DMU_EVENT_REFUSE);
		break;
	case DMU_ACTION_SEND_ABORT:
		world_send(world, side, DMU_EVENT_ABORT);
		break;
	case DMU_ACTION_ARM_TIMER:
		end->armed = 1;
		break;
	case DMU_ACTION_DRAIN:
		world->generation = DRAINS;
		break;
	case DMU_ACTION_UNDO:
		if (world->generation == DRAINED)
			return DMU_EVENT_UNDO_REFUSED;
		world->generation = READS;
		return DMU_EVENT_UNDONE;
	case DMU_ACTION_REJOIN:
		assert_int_equal(world->generation, DRAINED);
		world->generation = READS;
		return DMU_EVENT_REJOINED;
	case DMU_ACTION_KILL_PEER:
		if (side == NEW && world->order >= STATEFUL && !world->imported && other->alive)
			return DMU_EVENT_SPARED;
		if (end->knows && other->alive)
			world_die(world, !side);
		world_close(world, side);
		break;
	case DMU_ACTION_CLOSE_SOCKET:
		world_close(world, side);
		break;
	case DMU_ACTION_DROP_PEER:
		/* The old daemon forgets no living peer that may hold a request. */
		if (side == OLD)
			assert_false(other->alive && other->state >= DMU_STATE_PREPARING);
		world_close(world, side);
		end->knows = 0;
		end->armed = 0;
		break;
	default:
		break;
	}
	return DMU_EVENT_END;
}

static void world_dispatch(struct world *world, unsigned int side, enum dmu_event event)
{
	struct end *end = &world->ends[side];

	while (event != DMU_EVENT_END) {
		const struct dmu_transition transition = dmu_transition(end->state, event);
		unsigned int i;

		/* Both messages bring the pidfd of their sender. */
		if (event == DMU_EVENT_OFFER || event == DMU_EVENT_HELLO)
			end->knows = 1;
		end->state = transition.next;
		event = DMU_EVENT_END;
		for (i = 0; transition.actions[i] != DMU_ACTION_NONE && event == DMU_EVENT_END; i++)
			event = world_act(world, side, transition.actions[i]);
	}
	if (is_over(end->state))
		world_die(world, side);
}

/* Invariants of every world. */
static void world_check(const struct world *world)
{
	const struct end *old = &world->ends[OLD], *new = &world->ends[NEW];

	assert_false(world->overflow);
	/* Without overlap the newcomer waits for the death of the old daemon, whose memory ages. */
	if (world->order != OVERLAP)
		assert_false(world->served && old->alive);
	/* The two daemons do not both believe that they serve alone. */
	assert_false(old->alive && new->alive && old->state == DMU_STATE_SERVING &&
		     new->state == DMU_STATE_SERVING);
	/* A daemon that serves reads requests. */
	if (old->alive && old->state == DMU_STATE_SERVING)
		assert_int_equal(world->generation, READS);
	if (new->alive && new->state == DMU_STATE_SERVING)
		assert_true(world->going);
}

/*
 * The next event of @side, in the order of daemon/loop.c: messages, the end of the socket, a death,
 * a timeout.
 */
static bool world_next(const struct world *world, unsigned int side, enum dmu_event *event)
{
	const struct end *end = &world->ends[side], *other = &world->ends[!side];

	if (!end->alive || end->stopped)
		return false;
	if (end->open && end->count)
		*event = end->queue[0];
	else if (end->open && !other->open)
		*event = DMU_EVENT_HANGUP;
	else if (end->knows && !other->alive)
		*event = DMU_EVENT_PEER_DEAD;
	else if (end->armed && world->late)
		*event = DMU_EVENT_TIMEOUT;
	else
		return false;
	return true;
}

static bool world_step(const struct world *before, unsigned int side)
{
	struct world world = *before;
	struct end *end = &world.ends[side];
	enum dmu_event event;

	if (!world_next(before, side, &event))
		return false;
	if (end->open && end->count)
		memmove(end->queue, end->queue + 1, --end->count);
	memset(end->queue + end->count, 0, sizeof(end->queue) - end->count);
	if (event == DMU_EVENT_TIMEOUT)
		end->armed = 0;
	if (event == DMU_EVENT_TAKEN && !world.ends[!side].alive)
		event = DMU_EVENT_PEER_DEAD;
	world_dispatch(&world, side, event);
	world_check(&world);
	world_add(&world);
	return event != DMU_EVENT_TIMEOUT || memcmp(&world, before, sizeof(world));
}

static bool world_drain(const struct world *before)
{
	struct world world = *before;
	const struct end *old = &before->ends[OLD];
	enum dmu_event event;

	if (!old->alive || old->stopped || old->state != DMU_STATE_DRAINING)
		return false;
	if (world.generation == DRAINS)
		world.generation = DRAINED;		/* the kernel drains first... */
	else if (!world_next(before, OLD, &event) || event == DMU_EVENT_TIMEOUT)
		world_dispatch(&world, OLD, DMU_EVENT_DRAINED);	/* ...then the threads leave */
	else
		return false;
	world_check(&world);
	world_add(&world);
	return true;
}

static void world_misfortunes(const struct world *before)
{
	unsigned int side;
	struct world world;

	for (side = OLD; before->kills && side <= NEW; side++) {
		if (!before->ends[side].alive)
			continue;
		world = *before;
		world.kills--;
		world.fine = 0;
		world_die(&world, side);
		world.old_killed |= side == OLD;
		/* The only daemon that could serve has crashed: no handover can help. */
		if (side == NEW && !before->ends[OLD].alive)
			world.excused = 1;
		if (side == OLD && before->ends[NEW].state == DMU_STATE_FAILED)
			world.excused = 1;
		world_check(&world);
		world_add(&world);
	}
	for (side = OLD; before->stops && side <= NEW; side++) {
		if (!before->ends[side].alive || before->ends[side].stopped)
			continue;
		world = *before;
		world.stops--;
		world.fine = 0;
		world.ends[side].stopped = 1;
		world.late++;
		world_add(&world);
	}
	for (side = OLD; side <= NEW; side++) {
		if (!before->ends[side].stopped)
			continue;
		world = *before;
		world.ends[side].stopped = 0;
		world_add(&world);
	}
}

/*
 * Nothing more happens, except that a stopped daemon may be continued: a daemon that is not stopped
 * must serve. The handover cannot help a daemon that is stopped alone: the old daemon before it
 * gave anything away, the newcomer after the old daemon has left.
 */
static void world_check_end(const struct world *world)
{
	const struct end *old = &world->ends[OLD], *new = &world->ends[NEW];
	bool by_old = old->alive && !old->stopped && world->generation == READS;
	bool by_new = new->alive && !new->stopped && new->state == DMU_STATE_SERVING;
	/* A daemon that alone has the state is not killed, however long it is stopped. */
	bool old_alone = old->stopped && !new->alive &&
			 (world->generation == READS || world->order >= STATEFUL);
	bool new_alone = new->stopped && !old->alive;
	/* Both were stopped, one after the other, each while alone; or both still are. */
	bool both = world->late > 1 && old->stopped && (!new->alive || new->stopped);

	/* Two misfortunes: a newcomer that cannot serve, and the death of the daemon that can. */
	if (world->order > STATEFUL && world->old_killed)
		return;
	if (!by_old && !by_new && !old_alone && !new_alone && !both && !world->excused)
		fail_msg("old %s%s, new %s%s, generation %d, going %d: no daemon serves",
			 dmu_state_name(old->state), old->alive ? "" : " (dead)",
			 dmu_state_name(new->state), new->alive ? "" : " (dead)", world->generation,
			 world->going);
	/* A handover without misfortune succeeds. */
	if (world->fine && world->order <= STATEFUL)
		assert_true(new->state == DMU_STATE_SERVING && !old->alive);
}

static void explore(enum order order, unsigned int kills, unsigned int stops)
{
	struct world first = { .order = order, .kills = kills, .stops = stops, .fine = 1 };
	unsigned int i, ends = 0;

	worlds = calloc(WORLDS_MAX, sizeof(*worlds));
	assert_non_null(worlds);
	world_count = 0;
	first.ends[OLD] = (struct end){ .state = DMU_STATE_SERVING, .alive = 1 };
	first.ends[NEW] = (struct end){ .state = DMU_STATE_START, .alive = 1 };
	world_dispatch(&first, NEW, world_connect(&first));
	world_add(&first);
	for (i = 0; i < world_count; i++) {
		const struct world world = worlds[i];
		bool moves = world_step(&world, OLD);

		moves |= world_step(&world, NEW);
		moves |= world_drain(&world);
		world_misfortunes(&world);
		if (!moves) {
			world_check_end(&world);
			ends++;
		}
	}
	assert_true(ends > 0);
	print_message("%u worlds, %u of them ends\n", world_count, ends);
	free(worlds);
}

static void a_handover_succeeds(void **test)
{
	explore(OVERLAP, 0, 0);
	explore(EXCLUSIVE, 0, 0);
	explore(INDEXED, 0, 0);
	explore(STATEFUL, 0, 0);
}

static void without_the_state_the_old_one_serves_on(void **test)
{
	explore(EXPORT_FAILS, 0, 0);
	explore(IMPORT_FAILS, 0, 0);
}

static void one_killed_or_stopped_at_any_step_leaves_it_served(void **test)
{
	enum order order;

	for (order = OVERLAP; order < ORDERS; order++) {
		explore(order, 1, 0);
		explore(order, 0, 1);
	}
}

/* As systemd does at shutdown, and for longer than the timeout of either daemon. */
static void both_stopped_at_any_step_leaves_it_served(void **test)
{
	enum order order;

	for (order = OVERLAP; order < ORDERS; order++)
		explore(order, 0, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_leads_where_it_should),
		cmocka_unit_test(every_pair_is_sound),
		cmocka_unit_test(nothing_happens_after_the_end),
		cmocka_unit_test(no_wait_is_for_ever),
		cmocka_unit_test(a_signal_does_not_end_who_serves),
		cmocka_unit_test(everything_has_a_name),
		cmocka_unit_test(a_handover_succeeds),
		cmocka_unit_test(without_the_state_the_old_one_serves_on),
		cmocka_unit_test(one_killed_or_stopped_at_any_step_leaves_it_served),
		cmocka_unit_test(both_stopped_at_any_step_leaves_it_served),
	};

	return cmocka_run_group_tests_name("transition", tests, NULL, NULL);
}
