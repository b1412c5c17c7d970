// SPDX-License-Identifier: GPL-2.0-or-later
/* P4: the pauses of dmuser-watch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watch/watch.h"

static void delays_double_up_to_the_limit(void **state)
{
	static const uint64_t wanted[] = { 250, 500, 1000, 2000, 4000, 5000, 5000 };
	struct watch_delay delay = { .max_ms = 5000 };
	size_t i;

	assert_int_equal(delay.ms, 0);
	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		watch_delay_grow(&delay);
		assert_int_equal(delay.ms, wanted[i]);
	}
	watch_delay_reset(&delay);
	assert_int_equal(delay.ms, 0);
}

static void delays_are_below_a_small_limit(void **state)
{
	struct watch_delay delay = { .max_ms = 100 };

	watch_delay_grow(&delay);
	assert_int_equal(delay.ms, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delays_double_up_to_the_limit),
		cmocka_unit_test(delays_are_below_a_small_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
