// SPDX-License-Identifier: GPL-2.0
/* The module: its suites run when it is loaded, and tell the kernel's log. */
#include <linux/module.h>

#include "suites.h"

/* Another order of events for the suites that take random ones; 0 is as good as any. */
u64 dmu_test_seed = 1;
module_param_named(seed, dmu_test_seed, ullong, 0444);
unsigned int dmu_test_rounds = 1;
module_param_named(rounds, dmu_test_rounds, uint, 0444);

kunit_test_suites(&dmu_args_suite, &dmu_fence_suite, &dmu_generation_suite, &dmu_memory_suite,
		  &dmu_request_suite, &dmu_revoke_suite, &dmu_table_suite, &dmu_model_suite);

static int __init dmu_kunit_init(void)
{
	return dmu_request_init();
}

/* The cache of claims complains if one is left. */
static void __exit dmu_kunit_exit(void)
{
	dmu_request_exit();
}

module_init(dmu_kunit_init);
module_exit(dmu_kunit_exit);
MODULE_DESCRIPTION("KUnit suites of dm-user");
MODULE_LICENSE("GPL");
