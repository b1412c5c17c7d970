// SPDX-License-Identifier: GPL-2.0
/* The end of bios: kernel/end.c itself, which fixture.c replaces for the other suites. */
#include <linux/completion.h>

#define dmu_end_request	dmu_end_request_real
#include "end.c"

#include "suites.h"

#define BIOS	3

struct end {
	struct dmu_request req;
	struct bio bio;
	blk_status_t status;
	bool in_softirq;
	unsigned int order;
};

static struct {
	struct end ends[BIOS];
	unsigned int count;
	struct completion done;
} run;

static void note_end(struct bio *bio)
{
	struct end *end = container_of(bio, struct end, bio);

	end->status = bio->bi_status;
	end->in_softirq = in_serving_softirq();
	end->order = ++run.count;
	if (run.count == BIOS)
		complete(&run.done);
}

/* Bios that a task ends end in a softirq, in order, each with its status. */
static void in_a_softirq(struct kunit *test)
{
	static const blk_status_t statuses[BIOS] = { BLK_STS_OK, BLK_STS_IOERR, BLK_STS_NOTSUPP };
	unsigned int i;

	memset(&run, 0, sizeof(run));
	init_completion(&run.done);
	KUNIT_ASSERT_EQ(test, dmu_end_init(), 0);
	for (i = 0; i < BIOS; i++) {
		bio_init(&run.ends[i].bio, NULL, NULL, 0, REQ_OP_READ);
		run.ends[i].bio.bi_end_io = note_end;
		run.ends[i].req.bio = &run.ends[i].bio;
	}
	/* The first alone, and two at once. */
	dmu_end_request_real(&run.ends[0].req, statuses[0]);
	local_bh_disable();
	for (i = 1; i < BIOS; i++)
		dmu_end_request_real(&run.ends[i].req, statuses[i]);
	local_bh_enable();
	dmu_test_true(test, wait_for_completion_timeout(&run.done, 60 * HZ));
	dmu_end_exit();
	for (i = 0; i < BIOS; i++) {
		dmu_test_is(test, run.ends[i].status, statuses[i]);
		dmu_test_true(test, run.ends[i].in_softirq);
		dmu_test_is(test, run.ends[i].order, i + 1);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(in_a_softirq),
	{}
};

struct kunit_suite dmu_end_suite = {
	.name = "dmu_end",
	.test_cases = cases,
};
