// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * P4: the expectations of tests/steps are complete: every place in the transition table has a
 * promise for every fault that can happen to a daemon there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/steps/expect.h"

static bool is_over(enum dmu_state state)
{
	return state == DMU_STATE_DONE || state == DMU_STATE_FAILED;
}

static void check_place(enum dmu_state state, enum dmu_event event, enum dmu_action action)
{
	/* Every combination of the place's flags. */
	for (unsigned int i = 0; i < 16 * FAULTS; i++) {
		const enum fault fault = i / 16;
		const struct place place = { .state = state, .event = event, .action = action,
					     .stateful = i & 1, .hangs = i & 2, .died = i & 4,
					     .late = i & 8 };
		const char *letters = expect_outcome(&place, fault);

		if (!letters)
			fail_msg("%s, %s, %s: no promise for %s", dmu_state_name(state),
				 dmu_event_name(event), dmu_action_name(action),
				 fault_names[fault]);
		assert_int_equal(strspn(letters, "oOnN-ax"), strlen(letters));
	}
}

static void every_place_has_a_promise(void **unused)
{
	for (enum dmu_state state = 0; state < DMU_STATE_END; state++) {
		for (enum dmu_event event = 0; event < DMU_EVENT_END; event++) {
			const struct dmu_transition transition = dmu_transition(state, event);

			if (is_over(state))
				continue;
			check_place(state, event, DMU_ACTION_NONE);
			for (unsigned int i = 0; transition.actions[i] != DMU_ACTION_NONE; i++)
				check_place(state, event, transition.actions[i]);
		}
	}
}

static void a_state_begins_when_it_is_told(void **unused)
{
	const struct place before = { .state = DMU_STATE_PREPARING, .event = DMU_EVENT_PREPARED,
				      .action = DMU_ACTION_SEND_READY };
	const struct place after = { .state = DMU_STATE_PREPARING, .event = DMU_EVENT_PREPARED,
				     .action = DMU_ACTION_ARM_TIMER };

	assert_int_equal(expect_state(&before), DMU_STATE_PREPARING);
	assert_int_equal(expect_state(&after), DMU_STATE_READY_SENT);
	assert_string_equal(expect_outcome(&before, FAULT_KILL), "o");
	assert_string_equal(expect_outcome(&after, FAULT_KILL), "O");
}

static void state_is_lost_only_with_who_has_it(void **unused)
{
	struct place place = { .state = DMU_STATE_DRAINING, .event = DMU_EVENT_DRAINED,
			       .action = DMU_ACTION_EXPORT, .stateful = true };

	assert_string_equal(expect_outcome(&place, FAULT_KILL), "N");
	place.action = DMU_ACTION_ARM_TIMER;
	assert_string_equal(expect_outcome(&place, FAULT_KILL), "n");
	place = (struct place){ .state = DMU_STATE_READY_SENT, .event = DMU_EVENT_TIMEOUT,
				.action = DMU_ACTION_KILL_PEER, .stateful = true };
	assert_string_equal(expect_outcome(&place, FAULT_STOP), "oO");
	place.stateful = false;
	assert_string_equal(expect_outcome(&place, FAULT_TERM), "n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_place_has_a_promise),
		cmocka_unit_test(a_state_begins_when_it_is_told),
		cmocka_unit_test(state_is_lost_only_with_who_has_it),
	};

	return cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}
