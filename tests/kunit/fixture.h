/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites share: a node, channels and bios around the files under test.
 *
 * The files of kernel/ that Kbuild lists are compiled as they are. The fixture counts their calls
 * to node.c, and ends a bio at once where they call end.c. struct dmu_test_env
 * plays DM's part. The fixture makes the bios, and has their end function.
 */
#ifndef DMU_TEST_FIXTURE_H
#define DMU_TEST_FIXTURE_H

#include <kunit/test.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "dmu.h"

#define DMU_TEST_HEADER		sizeof(struct dm_user_message)
#define DMU_TEST_GIVEN_BACK	((blk_status_t)200)	/* the map function did not take it */

/* A node as dmu_node_create() makes it, and the number of calls to node.c. */
struct dmu_test_env {
	struct kunit *test;
	struct dm_target ti;
	struct dmu_target target;
	struct dmu_node node;
	bool noflush;			/* DM is in a noflush suspend */
	struct list_head ios;
	struct list_head channels;	/* that the test has not closed */
	void (*cut)(struct dmu_test_env *env);	/* called once, when a bio is cut */
	struct dmu_channel *opened;		/* for cut() */
	struct dmu_channel *taker;	/* reads whenever a bio ends, or NULL */
	unsigned int taken;		/* requests that taker got */
	unsigned int graces;
	unsigned int retries;
	unsigned int woken;		/* readers, one by one */
	unsigned int woken_all;
	unsigned int events;
	unsigned int watches;
};

/* The life of a bio. The bio is freed when it ends, so that KASAN reports a late access. */
struct dmu_test_io {
	struct list_head list;		/* env->ios */
	struct dmu_test_env *env;
	struct dmu_request *req;	/* NULL from the end on */
	struct bio *bio;		/* likewise */
	u64 seq;
	int mapped;			/* what the map function returned */
	bool again;			/* its end submits another one */
	unsigned int nr;		/* of a set of flushes */
	int backing;			/* that it went to; -1: none */
	unsigned int ended;		/* how often; must be 1 at the end of the test */
	blk_status_t status;
};

/* Compare; a mismatch fails the test, which goes on. */
#define dmu_test_is(test, got, want) \
	dmu_test_compare(test, KBUILD_BASENAME, __LINE__, #got, (s64)(got), (s64)(want))
#define dmu_test_true(test, claim) \
	dmu_test_compare(test, KBUILD_BASENAME, __LINE__, #claim, !!(claim), 1)
bool dmu_test_compare(struct kunit *test, const char *file, int line, const char *what, s64 got,
		      s64 want);

struct dmu_test_env *dmu_test_env_create(struct kunit *test);
void dmu_test_env_destroy(struct dmu_test_env *env);
int dmu_test_suite_init(struct kunit_suite *suite);
void dmu_test_suite_exit(struct kunit_suite *suite);
int dmu_test_init(struct kunit *test);		/* env in test->priv */
void dmu_test_exit(struct kunit *test);

struct dmu_test_io *dmu_test_map(struct dmu_test_env *env, blk_opf_t opf, sector_t sector,
				 unsigned int bytes);
/* As kernel/target.c maps bios where there are extents. */
struct dmu_test_io *dmu_test_map_nr(struct dmu_test_env *env, blk_opf_t opf, sector_t sector,
				    unsigned int bytes, unsigned int nr);
void dmu_test_land(struct dmu_test_io *io);
struct dmu_test_io *dmu_test_io_create(struct dmu_test_env *env, blk_opf_t opf, sector_t sector,
				       unsigned int bytes);
struct dmu_channel *dmu_test_open(struct dmu_test_env *env);
void dmu_test_close(struct dmu_channel *channel);

/* The daemon's side, as channel.c drives request.c. */
int dmu_test_claim(struct dmu_channel *channel);
void dmu_test_send(struct dmu_channel *channel, size_t bytes);
int dmu_test_read(struct dmu_channel *channel);
struct dmu_claim *dmu_test_begin(struct dmu_channel *channel, u64 seq, u64 response);
bool dmu_test_answer(struct dmu_channel *channel, u64 seq, u64 response);
bool dmu_test_drain(struct dmu_channel *channel, bool undo);
struct dmu_claim *dmu_test_find(struct dmu_channel *channel, u64 seq);
struct dmu_claim *dmu_test_next(struct dmu_channel *channel, struct dmu_claim *claim);
unsigned int dmu_test_count_claims(struct dmu_channel *channel);
unsigned int dmu_test_count(const struct list_head *list);

/* DM's part: Kbuild makes kernel/request.c call these in the place of DM's functions. */
int dmu_test_noflush_suspending(struct dm_target *ti);
void *dmu_test_per_bio_data(struct bio *bio, size_t size);
void dmu_test_accept_partial(struct bio *bio, unsigned int sectors);
unsigned int dmu_test_bio_nr(const struct bio *bio);

#endif /* DMU_TEST_FIXTURE_H */
