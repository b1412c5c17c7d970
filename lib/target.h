/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A target's INFO and TABLE status from the kernel, parsed. Pure. */
#ifndef DMUSER_TARGET_H
#define DMUSER_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/dm-user.h>

#define DMU_TARGET_GENERATIONS	(DM_USER_GENERATIONS_MAX + 1)	/* and generation 0 */

struct dmu_target_generation {
	uint64_t number;
	char state[16];			/* serving, draining, drained */
	uint64_t channels, held, answered;
};

/* The INFO status of a target: the words after "user". */
struct dmu_target_status {
	uint64_t queued, held, fenced, oldest_ms;
	uint64_t channels, generation;
	uint64_t sealed, suspended, daemon;	/* 0 or 1 */
	uint64_t reads, writes, flushes, discards, secure_erases, write_zeroes;
	uint64_t errors, unsupported, requeued, failed, refused;
	uint64_t nospace;			/* requests that wait for space */
	uint64_t android;			/* 0 or 1 */
	/* With the table argument extents: */
	uint64_t extents, mapped;		/* how many; sectors that they map */
	uint64_t clean;				/* 0 or 1: flushes pass daemons by */
	uint64_t mapped_reads, mapped_writes, mapped_others, remapped;
	uint64_t pinned, lost;			/* 0 or 1 */
	unsigned int generation_count;
	/* Further ones are not kept. */
	struct dmu_target_generation generations[DMU_TARGET_GENERATIONS];
};

/* The TABLE status of a target: the words after "user". */
struct dmu_target_policy {
	char ctl[128];			/* the kernel takes up to 127 */
	bool android;			/* compat:android */
	bool orphans_fail, nodaemon_fail, nospace_wait;
	uint64_t nodaemon_ms;
	bool discard, write_zeroes, secure_erase;
	uint64_t logical_block_size, physical_block_size, max_io;
	char backing[96];		/* "MAJOR:MINOR[,...]"; "" if the table claims no device */
	bool extents;			/* the kernel may map requests by itself */
};

/*
 * Both skip words with an unknown key, which a newer kernel may add. -EINVAL: malformed. @android
 * is from the INFO status: if a row has no compat:, the module's parameter decided when it was
 * loaded.
 */
int dmu_target_status_parse(struct dmu_target_status *status, const char *params);
int dmu_target_policy_parse(struct dmu_target_policy *policy, const char *params, bool android);
/* The newest generation that serves, or NULL. */
const struct dmu_target_generation *dmu_target_serving(const struct dmu_target_status *status);

#endif
