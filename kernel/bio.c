// SPDX-License-Identifier: GPL-2.0
/* A bio in the terms of the ABI. */
#include "dmu.h"

/* Returns DM_USER_REQ_MAP_*, or -EOPNOTSUPP. */
int dmu_bio_type(const struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return DM_USER_REQ_MAP_READ;
	case REQ_OP_WRITE:
		/* DM splits a flush with data: the flush comes first, without data. */
		if (!bio->bi_iter.bi_size && (bio->bi_opf & REQ_PREFLUSH))
			return DM_USER_REQ_MAP_FLUSH;
		return DM_USER_REQ_MAP_WRITE;
	case REQ_OP_FLUSH:
		return DM_USER_REQ_MAP_FLUSH;
	case REQ_OP_DISCARD:
		return DM_USER_REQ_MAP_DISCARD;
	case REQ_OP_SECURE_ERASE:
		return DM_USER_REQ_MAP_SECURE_ERASE;
	case REQ_OP_WRITE_ZEROES:
		return DM_USER_REQ_MAP_WRITE_ZEROES;
	default:
		return -EOPNOTSUPP;
	}
}

static const struct {
	blk_opf_t opf;
	u64 flag;
} dmu_bio_flag_map[] = {
	{ REQ_FAILFAST_DEV, DM_USER_REQ_MAP_FLAG_FAILFAST_DEV },
	{ REQ_FAILFAST_TRANSPORT, DM_USER_REQ_MAP_FLAG_FAILFAST_TRANSPORT },
	{ REQ_FAILFAST_DRIVER, DM_USER_REQ_MAP_FLAG_FAILFAST_DRIVER },
	{ REQ_SYNC, DM_USER_REQ_MAP_FLAG_SYNC },
	{ REQ_META, DM_USER_REQ_MAP_FLAG_META },
	{ REQ_PRIO, DM_USER_REQ_MAP_FLAG_PRIO },
	{ REQ_NOMERGE, DM_USER_REQ_MAP_FLAG_NOMERGE },
	{ REQ_IDLE, DM_USER_REQ_MAP_FLAG_IDLE },
	{ REQ_INTEGRITY, DM_USER_REQ_MAP_FLAG_INTEGRITY },
	{ REQ_FUA, DM_USER_REQ_MAP_FLAG_FUA },
	{ REQ_PREFLUSH, DM_USER_REQ_MAP_FLAG_PREFLUSH },
	{ REQ_RAHEAD, DM_USER_REQ_MAP_FLAG_RAHEAD },
	{ REQ_BACKGROUND, DM_USER_REQ_MAP_FLAG_BACKGROUND },
	{ REQ_NOWAIT, DM_USER_REQ_MAP_FLAG_NOWAIT },
	{ REQ_NOUNMAP, DM_USER_REQ_MAP_FLAG_NOUNMAP },
	{ REQ_POLLED, DM_USER_REQ_MAP_FLAG_HIPRI },
	{ REQ_SWAP, DM_USER_REQ_MAP_FLAG_SWAP },
};

/* Returns DM_USER_REQ_MAP_FLAG_*. */
u64 dmu_bio_flags(const struct bio *bio)
{
	unsigned int i;
	u64 flags = 0;

	for (i = 0; i < ARRAY_SIZE(dmu_bio_flag_map); i++)
		if (bio->bi_opf & dmu_bio_flag_map[i].opf)
			flags |= dmu_bio_flag_map[i].flag;
	return flags;
}

/* Does a request of @type change the data? */
bool dmu_type_writes(u64 type)
{
	return type != DM_USER_REQ_MAP_READ && type != DM_USER_REQ_MAP_FLUSH;
}
