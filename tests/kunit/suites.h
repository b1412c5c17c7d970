/* SPDX-License-Identifier: GPL-2.0 */
/* The suites, one per file, and the module's parameters. */
#ifndef DMU_TEST_SUITES_H
#define DMU_TEST_SUITES_H

#include "fixture.h"

extern struct kunit_suite dmu_args_suite;
extern struct kunit_suite dmu_end_suite;
extern struct kunit_suite dmu_extents_suite;
extern struct kunit_suite dmu_fence_suite;
extern struct kunit_suite dmu_generation_suite;
extern struct kunit_suite dmu_memory_suite;
extern struct kunit_suite dmu_request_suite;
extern struct kunit_suite dmu_revoke_suite;
extern struct kunit_suite dmu_table_suite;
extern struct kunit_suite dmu_model_suite;

extern u64 dmu_test_seed;		/* of the random suites */
extern unsigned int dmu_test_rounds;	/* the random suites run this many times as long */

#endif /* DMU_TEST_SUITES_H */
