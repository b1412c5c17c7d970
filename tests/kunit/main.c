// SPDX-License-Identifier: GPL-2.0
/* The module: its suites run when it is loaded (on 6.1 before its init), and report to the log. */
#include <linux/module.h>

#include "suites.h"

/* Parameters of the random suites. 6.1 runs the suites before it sets parameters. */
u64 dmu_test_seed = 1;
module_param_named(seed, dmu_test_seed, ullong, 0444);
unsigned int dmu_test_rounds = IS_ENABLED(CONFIG_UML) ? 25 : 1;
module_param_named(rounds, dmu_test_rounds, uint, 0444);

kunit_test_suites(&dmu_args_suite, &dmu_end_suite, &dmu_extents_suite, &dmu_fence_suite,
		  &dmu_generation_suite, &dmu_memory_suite, &dmu_request_suite, &dmu_revoke_suite,
		  &dmu_table_suite, &dmu_model_suite);

MODULE_DESCRIPTION("KUnit suites of dm-user");
MODULE_LICENSE("GPL");
