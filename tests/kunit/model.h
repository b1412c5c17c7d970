/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of a node with its channels, as plain as possible: it has arrays, and looks at every
 * pair. It shares no code with kernel/, and has no data and no locks.
 */
#ifndef DMU_TEST_MODEL_H
#define DMU_TEST_MODEL_H

#include <linux/blk_types.h>
#include <linux/dm-user.h>
#include <linux/types.h>

#define MODEL_REQUESTS		48
#define MODEL_CHANNELS		6
#define MODEL_CLAIMS		12	/* of a channel */
#define MODEL_GENERATIONS	8	/* with channels at one time; slot 0 is generation 0 */

struct model_request {
	bool used;
	bool waiting;		/* for a channel */
	bool ended;
	blk_status_t status;	/* if ended */
	u64 seq;
	u64 type;
	u64 sector;
	u64 sectors;
	bool back;		/* requeued: goes before all others */
	u64 since;		/* when the last fence in its way had gone; 0: it is fenced */
};

enum model_state { MODEL_SENDING, MODEL_HELD, MODEL_RECEIVING };

struct model_claim {
	bool used;
	bool fences;
	enum model_state state;
	struct model_request *req;	/* NULL: revoked */
	u64 seq;
	u64 type;
	u64 sector;
	u64 sectors;
	u64 sent;			/* bytes that the daemon has read */
};

struct model_generation {
	bool used;
	u64 number;
	unsigned int state;
	unsigned int channels;
	unsigned int held;
	u64 answered;
};

struct model_channel {
	bool used;
	bool drained;			/* it was open when a drain of generation 0 began */
	u64 taken;
	struct model_generation *generation;
	struct model_claim claims[MODEL_CLAIMS];
};

struct model {
	u64 now;			/* counts events up... */
	u64 first;			/* ...and down, for requests that go before all others */
	u64 next_seq;
	u64 newest;
	bool dead;
	bool noflush;
	bool failing;
	bool orphans_fail;
	u64 answered[DM_USER_REQ_MAP_WRITE_ZEROES + 1];
	u64 errors, unsupported, requeued, failed, refused;
	struct model_request requests[MODEL_REQUESTS];
	struct model_channel channels[MODEL_CHANNELS];
	struct model_generation generations[MODEL_GENERATIONS];
};

void model_init(struct model *m);
/* After each event: note the requests that have become free to go. */
void model_settle(struct model *m);

int model_map(struct model *m, struct model_request *req);
int model_claim(struct model *m, struct model_channel *c);
bool model_take(struct model *m, struct model_channel *c, u64 seq);
void model_send(struct model *m, struct model_channel *c, u64 bytes);
void model_dismiss(struct model *m, struct model_channel *c);
void model_give_back(struct model *m, struct model_channel *c);
struct model_claim *model_begin(struct model *m, struct model_channel *c, u64 seq, u64 response);
void model_answer(struct model *m, struct model_channel *c, struct model_claim *claim,
		  u64 response);
void model_open(struct model *m, struct model_channel *c);
void model_close(struct model *m, struct model_channel *c);
int model_join(struct model *m, struct model_channel *c, u64 number, bool create);
int model_drain(struct model *m, struct model_channel *c, bool undo);
void model_revoke(struct model *m, blk_status_t status);
void model_fail_queued(struct model *m);

struct model_claim *model_find(struct model_channel *c, u64 seq);
struct model_claim *model_in_state(struct model_channel *c, enum model_state state, bool revoked);
unsigned int model_waiting(const struct model *m);
unsigned int model_fences(const struct model *m);

#endif /* DMU_TEST_MODEL_H */
