// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What tests/steps expects is complete: every place in the transition table has a promise for everything that can
 * happen to a daemon there.
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
	const struct place place = { .state = state, .event = event, .action = action };

	for (enum fault fault = 0; fault < FAULTS; fault++) {
		const char *letters = expect_outcome(&place, fault);

		if (!letters)
			fail_msg("%s, %s, %s: nothing is promised for %s", dmu_state_name(state),
				 dmu_event_name(event), dmu_action_name(action), fault_names[fault]);
		assert_int_equal(strspn(letters, "oOn-a"), strlen(letters));
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
	const struct place before = { DMU_STATE_PREPARING, DMU_EVENT_PREPARED, DMU_ACTION_SEND_READY };
	const struct place after = { DMU_STATE_PREPARING, DMU_EVENT_PREPARED, DMU_ACTION_ARM_TIMER };

	assert_int_equal(expect_state(&before), DMU_STATE_PREPARING);
	assert_int_equal(expect_state(&after), DMU_STATE_READY_SENT);
	assert_string_equal(expect_outcome(&before, FAULT_KILL), "o");
	assert_string_equal(expect_outcome(&after, FAULT_KILL), "oO");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_place_has_a_promise),
		cmocka_unit_test(a_state_begins_when_it_is_told),
	};

	return cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}
