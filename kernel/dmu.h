/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dm-user: data structures, locks and lifetimes.
 *
 * A node is a control node and the device behind it. It outlives the tables that name it, so a
 * reload keeps its channels. A target is one `user` row of one table. A channel is one open file
 * of the node. A request is one bio. A claim is a channel's hold on a request, from the first byte
 * that its daemon reads to the last byte of the answer. A generation is the set of channels that
 * drain together.
 *
 * States of a request: its owner, and what happens when the daemon dies
 *
 *	QUEUED	  The node owns it, on one of its lists. Nothing happens.
 *	SENDING	  A channel owns it, and the daemon reads it. The close of the channel orphans it.
 *	HELD	  A channel owns it, and the daemon owes an answer. As above.
 *	RECEIVING A channel owns it, and the payload of the answer comes in. As above.
 *
 *	map -> QUEUED -> SENDING -> HELD [-> RECEIVING] -> ended
 *	read fails before its first byte: SENDING -> QUEUED, or ended (no daemon, by policy)
 *	close of the channel: SENDING, HELD, RECEIVING -> QUEUED, or ended (policy)
 *	no daemon for too long (policy): QUEUED -> ended
 *	revoke (noflush suspend, message "fail"): any state -> ended
 *	answer "no space" and nospace:wait: HELD -> QUEUED, where no reader takes it for a while
 *	answer "remap": HELD -> ended, but the bio goes on to a backing device, which ends that
 *
 * A bio in an extent is mapped to a backing device and never becomes a request (extents.c). In a
 * pinned node, all are (pin.c).
 *
 * A request lives in its bio and is gone after bio_endio(). A claim outlives a revoked request,
 * because the daemon does not know of the revoke. The channel swallows the daemon's answer; until
 * that comes, the node hands out no request that overlaps the data which the daemon may still write
 * (fence.c). A daemon that was still reading the request learns of the revoke from its next read,
 * and until then the same holds.
 *
 * Lock order: a lock nests inside the less indented ones above it in its group
 *
 *	channel->read.mutex, channel->write.mutex	(never both)
 *	  mmap_lock of a daemon			(page faults)
 *
 *	md->type_lock				(DM: a table is loaded)
 *	  dmu_registry_lock			(ctr, dtr; memory without I/O)
 *	    the xarray's of devices		(open(), too)
 *	    node->targets_lock
 *	      DM's lock of events		(dm_table_event())
 *	    extents->lock			(of a new node)
 *	md->suspend_lock			(DM: suspend, resume)
 *	  node->targets_lock
 *	  extents->lock				(memory without I/O)
 *
 *	extents->lock				(extents change or are pinned; fails without memory)
 *	  the maple tree's
 *	extents->flights.lock
 *
 *	node->lock				(inside all locks above)
 *	  channel->lock
 *	    the slab's				(a claim is freed)
 *	  wait queues', timers', workqueues'	(safe in interrupts)
 *
 * Nothing that a daemon must do to answer (read, write, poll, close, ioctl but DROP) takes
 * dmu_registry_lock or targets_lock. Data moves between bio and daemon under channel->lock with
 * page faults disabled, a page at a time, so a revoke never waits for a daemon's memory. Loops over
 * requests move at most DMU_BATCH of them in one hold of a lock.
 *
 * Entry points: caller, locks that the caller holds, context
 *
 *	ctr		 DM's ioctl; md->type_lock. May sleep, and opens the backing device.
 *	dtr		 DM's ioctls, or DM's workqueue for a deferred remove; none. May sleep.
 *	presuspend, postsuspend, preresume, resume
 *			 DM's ioctls, or the removal; md->suspend_lock. May sleep.
 *	status, message	 DM's ioctls; the table's SRCU, once the table is published. May sleep.
 *	map		 The submitter of the bio, also in a softirq, or DM's workqueue; the table's
 *			 SRCU, and any lock or stage of memory reclaim that the submitter is in.
 *			 Allocates nothing and waits for nothing; takes node->lock, then wakes.
 *	open		 Any process that opens the node; none. May sleep.
 *	read, write, poll, ioctl
 *			 A daemon; none, or the lock of an io_uring or epoll instance, which calls
 *			 read and write with IOCB_NOWAIT. May sleep.
 *	release		 The process that drops the last reference to the file, also when it exits;
 *			 none. May sleep.
 *	event_work, nodaemon_work, nospace_work, submit_work
 *			 dmu_workqueue (WQ_MEM_RECLAIM); none. May sleep.
 *
 * All but map and the end of bios is process context. map may run in a softirq: dm-crypt above this
 * device, with no_write_workqueue, submits where an asynchronous cipher completes, although
 * submit_bio() might sleep. So the spinlocks are taken with _bh; channel->lock inside node->lock
 * without. No caller submits with interrupts off.
 *
 * Bios end in a softirq, as those of a disk do, with no spinlock held (end.c). The users of this
 * device that look at their context then defer to a worker what may wait (EROFS, f2fs), or do
 * without waiting (dm-crypt's memory). In a daemon's write() they would wait themselves, even for
 * the very device that the daemon serves.
 *
 * Lifetimes: what keeps an object alive
 *
 *	node	   node->ref: one each for a target (ctr to dtr), a channel (open to release),
 *		   pending event_work, nodaemon_work, nospace_work and submit_work, and a running
 *		   open(). dmu_device_find() takes that last one under the xarray's lock, until the
 *		   last target is gone. Then the node's name is free (dead), and only channels and
 *		   work refer to it.
 *	target	   DM, from ctr to dtr. DM calls dtr when the table is no longer bound, its SRCU
 *		   readers are gone and its last request has ended. Other code reaches the target,
 *		   its ti and its table only through node->targets and node->live, under
 *		   targets_lock.
 *	channel	   Its file. Other code reaches it only through a claim, under node->lock; release
 *		   drops its claims first.
 *	generation Its channels; it goes with the last one. Generation 0 is part of the node.
 *	extents	   Its node.
 *	flight	   Its extents. A bio that has boarded one leaves it in end_io, before the bio ends.
 *	request	   Its bio, from map to bio_endio(). It is on node->requests until a thread removes
 *		   it there, under node->lock, and ends it: so each request ends once. Until then it
 *		   is in one place: on node->queue, node->released, node->nospace or a claim's
 *		   waiters, or in a claim.
 *	claim	   Its channel, from read until the answer, a dismissal, a give-back or release. The
 *		   writer drops a HELD or RECEIVING claim, the reader a canceled one, each holding
 *		   its mutex; a revoke takes only the request away. So the claims at channel->in and
 *		   channel->canceled stay when the spinlock is dropped, but claim->req and the pages
 *		   of its bio may go.
 *	module	   Every file (fops.owner) and every target (DM). destroy_workqueue() waits for work
 *		   that is still pending after the last of them, and dmu_end_exit() for a softirq
 *		   that has ended the last bio.
 */
#ifndef DMU_H
#define DMU_H

#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/maple_tree.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/dm-user.h>

#define DMU_NODE_DIR		"dm-user/"
#define DMU_NAME_MAX		127	/* of a control node, without the directory */
#define DMU_MAX_IO_DEFAULT	SZ_1M
#define DMU_NOSPACE_MS		1000	/* until a daemon is asked again, with nospace:wait */
#define DMU_BATCH		64	/* most requests that move in one hold of a lock */
#define DMU_BACKINGS_MAX	4	/* backing devices of a row */
#define DMU_EXTENTS_DEFAULT	1048576
/* Beside DM_MAPIO_*: */
#define DMU_MAPIO_DAEMON	(-1)	/* the bio is for a daemon */
#define DMU_MAPIO_AGAIN		(-2)	/* the node is pinned: extents map the bio now */

/* What a table row asks for. */
struct dmu_config {
	char *row;		/* all arguments, as STATUSTYPE_TABLE prints them */
	const char *ctl;	/* points into the constructor's argv; invalid after it */
	bool android;		/* compat:android */
	bool orphans_fail;
	bool nodaemon_fail;
	unsigned int nodaemon_ms;
	bool nospace_wait;
	unsigned int grace_ms;	/* how long requests wait for the first daemon; 0: as above */
	bool discard;
	bool write_zeroes;
	bool secure_erase;
	unsigned int logical_block_size;	/* bytes */
	unsigned int physical_block_size;	/* bytes */
	unsigned int max_io;			/* bytes */
	dev_t backings[DMU_BACKINGS_MAX];	/* block devices of the store, which DM claims */
	unsigned int backing_count;
	unsigned int extents_max;		/* 0: nothing is ever mapped */
	bool mapped;				/* a new node begins with all mapped */
};

struct dmu_counters {
	u64 answered[DM_USER_REQ_MAP_WRITE_ZEROES + 1];	/* by type of request */
	u64 errors;		/* answered ERROR */
	u64 unsupported;	/* answered UNSUPPORTED */
	u64 requeued;		/* orphans handed back to the queue */
	u64 failed;		/* ended with an error that no daemon gave */
	u64 remapped;		/* answered REMAP */
	u64 refused;		/* answers to requests that the channel did not hold */
};

/* All fields are guarded by the node's lock. */
struct dmu_generation {
	struct list_head list;		/* in node->generations */
	u64 number;
	u64 drains;			/* drains begun; one after an undone one is the same */
	bool undone;			/* a drain was undone */
	bool ordered;			/* drained by message, which cannot be undone */
	unsigned int state;		/* DM_USER_SERVING, DRAINING, DRAINED */
	unsigned int channels;
	unsigned int held;		/* claims of its channels */
	u64 answered;
};

struct dmu_node {
	struct kref ref;		/* one for each target, channel and pending work */
	struct list_head list;		/* dmu_registry_lock: in dmu_nodes */
	char *name;			/* "dm-user/CTL" */
	struct mapped_device *md;	/* identity only; valid while targets is not empty */
	dev_t devt;			/* of the control node */

	struct mutex targets_lock;	/* guards: targets, live */
	struct list_head targets;	/* at most one of the live and one of the inactive table */
	struct dmu_target *live;	/* of the live table, or NULL */

	wait_queue_head_t readers;	/* exclusive waiters: a request wakes one */
	wait_queue_head_t pollers;	/* apart: an EPOLLEXCLUSIVE one would swallow a wake-up */

	struct dmu_extents *extents;	/* constant; NULL: the row has no extents: */
	bool flush_lost;		/* by xchg(): a writeback failed, and no flush has yet */

	spinlock_t lock;		/* guards all below */
	bool dead;			/* DM destroyed the last target */
	bool sealed;
	bool suspended;
	bool has_daemon;		/* a channel of a serving generation is open */
	bool had_daemon;		/* has_daemon is or was true */
	bool failing;			/* no daemon for longer than the policy waits */
	unsigned int revoking;		/* revokes in progress */
	unsigned int fenced;		/* claims in fence_tree */
	bool read_only;
	struct dmu_config config;	/* of live, or before that of the first; no row, ctl */
	dev_t dev;
	sector_t start;
	sector_t sectors;
	sector_t backing_sectors[DMU_BACKINGS_MAX];	/* lengths, as of the last resume */
	u64 next_seq;
	u64 newest_generation;
	struct list_head requests;	/* all requests by seq: oldest first */
	u64 queued;			/* requests on queue, released, nospace and waiters */
	struct list_head queue;		/* requests that the next reader may take */
	struct list_head released;	/* requests for dmu_fence_release_some() to place */
	struct list_head nospace;	/* requests answered NOSPC, until nospace_work runs */
	u64 lacking;			/* requests whose last answer was NOSPC */
	struct rb_root_cached fence_tree;	/* revoked claims that may still write, by sector */
	struct list_head blocking;	/* claims of fence_tree with waiters */
	unsigned int channel_count;
	struct list_head generations;
	unsigned int generation_count;	/* without unjoined */
	struct dmu_generation unjoined;	/* generation 0, always on generations */
	struct dmu_counters counters;
	u64 written;			/* requests that write and have succeeded */
	u64 flushed;			/* the first of them, which a flush has covered */
	unsigned int writing;		/* claims of requests that write */
	bool clean;			/* flushes pass daemons by */
	bool pinned;			/* no daemon gets a request, and no extent changes */

	struct work_struct event_work;		/* tells DM that the status changed */
	struct delayed_work nodaemon_work;	/* policy nodaemon:fail */
	struct delayed_work nospace_work;	/* policy nospace:wait */
	struct llist_head submits;		/* requests that submit_work submits */
	struct work_struct submit_work;		/* of bios that answers have sent on */
};

struct dmu_target {
	struct dm_target *ti;
	struct dmu_node *node;
	struct list_head list;		/* node->targets */
	struct dmu_config config;
	struct dm_dev *backings[DMU_BACKINGS_MAX];	/* DM's claims, or NULL */
};

struct dmu_flight {
	long __percpu *aboard;		/* their sum: bios on board */
	bool landing;			/* not the current flight, and not seen to be empty yet */
	wait_queue_head_t left;		/* a bio has left while the flight was landing */
};

struct dmu_flights {
	unsigned int current_flight;
	struct dmu_flight flights[2];
	struct mutex lock;		/* guards: changes of current_flight and landing */
};

struct dmu_extents_stats {
	u64 reads, writes, others;
};

/* What is read for each bio comes first. */
struct dmu_extents {
	void *whole;			/* the value of all of the target, or NULL */
	unsigned long grain;		/* a power of 2 that divides where extents begin and end */
	struct maple_tree tree;
	struct dmu_extents_stats __percpu *stats;
	struct dmu_flights flights;
	struct mutex lock;		/* guards: changes of all but stats and flights */
	unsigned int count;
	unsigned int max;
	u64 sectors;			/* that are mapped */
	bool used;			/* something was mapped or remapped: never false again */
	bool bypassed;			/* see cache.c; set and cleared without the lock */
};

enum dmu_request_state {
	DMU_REQUEST_QUEUED,
	DMU_REQUEST_SENDING,
	DMU_REQUEST_HELD,
	DMU_REQUEST_RECEIVING,
};

/* Lives in the bio (per_io_data). */
struct dmu_request {
	struct list_head age;		/* node->requests */
	struct list_head list;		/* where it waits, or of requests to end; not in a claim */
	struct llist_node ended;	/* end.c, or node->submits */
	struct dmu_claim *claim;	/* node->lock: its claim, or NULL */
	struct dmu_target *target;
	struct dmu_flight *flight;	/* that it has boarded, or NULL */
	struct bio *bio;
	u64 seq;
	unsigned int type;		/* DM_USER_REQ_MAP_* */
	bool lacking;			/* node->lock: counted in node->lacking */
	unsigned long born;		/* jiffies */
};

/* channel->lock guards all but the fence's fields; channel and msg are constant in a request. */
struct dmu_claim {
	struct dmu_channel *channel;
	struct dmu_request *req;	/* NULL: revoked */
	enum dmu_request_state state;	/* SENDING or later */
	struct rb_node rb;		/* channel->claims */
	/* Guarded by node->lock: */
	struct rb_node fence_rb;	/* node->fence_tree, or empty */
	u64 fence_last;			/* greatest last sector of the subtree */
	struct list_head waiters;	/* requests that overlap the claim */
	struct list_head blocking;	/* node->blocking, if there are waiters */
	u64 written;			/* node->written when the daemon got the request */
	bool writes;			/* counted in node->writing */
	struct dm_user_message msg;
};

/* Lets one caller at a time into a direction of the stream. */
struct dmu_turn {
	struct mutex mutex;		/* held during a turn */
	bool wanted;			/* a caller did not wait: wake pollers at the end */
};

struct dmu_channel {
	struct dmu_node *node;
	struct dmu_generation *generation;	/* node->lock */
	u64 drains;			/* node->lock: unjoined.drains at its creation */
	u64 taken;			/* node->lock: requests taken and not given back unread */
	bool passed;			/* created by DM_USER_IOC_OPEN; constant */

	struct dmu_turn read;		/* guards: spare */
	struct dmu_claim *spare;	/* claim for the next request */

	struct dmu_turn write;		/* guards: answer, answer_len, and changes of in */
	struct dm_user_message answer;	/* header of an answer, as far as received */
	unsigned int answer_len;

	spinlock_t lock;		/* guards all below */
	struct dmu_claim *out;		/* claim that the daemon reads, or NULL */
	struct dmu_claim *canceled;	/* was out when revoked, unknown to the reader */
	size_t sent;			/* bytes of out's header and payload */
	struct bvec_iter out_iter;	/* rest of out's payload */
	struct dmu_claim *in;		/* claim whose answer's payload comes in, or NULL */
	size_t in_left;			/* bytes of it to come */
	struct bvec_iter in_iter;
	struct rb_root claims;		/* by seq, which is by age: oldest first */
	bool reserve_used;
	struct dmu_claim reserve;	/* one request can always be served */
};

/* args.c: the table row */
extern bool dmu_compat_default;		/* compat:android where a row does not say */
int dmu_compat_parse(const char *value, bool *android);
int dmu_config_parse(struct dmu_config *config, unsigned int argc, char **argv, char **error);
void dmu_config_free(struct dmu_config *config);
bool dmu_config_same_backings(const struct dmu_config *a, const struct dmu_config *b);
bool dmu_config_same_limits(const struct dmu_config *a, const struct dmu_config *b);

/* No daemon has served yet, and each request waits grace_ms for the first. Under node->lock. */
static inline bool dmu_node_in_grace(const struct dmu_node *node)
{
	return node->config.grace_ms && !node->had_daemon;
}

/* When the grace of a request that was mapped at @born ends; both in jiffies. */
static inline unsigned long dmu_node_grace_end(const struct dmu_node *node, unsigned long born)
{
	return born + msecs_to_jiffies(node->config.grace_ms);
}

/* node.c: life of a node, and admission to it */
extern struct workqueue_struct *dmu_workqueue;
int dmu_node_attach(struct dmu_target *target, char **error);
bool dmu_node_detach(struct dmu_target *target);
void dmu_node_activate(struct dmu_target *target);
void dmu_node_put(struct dmu_node *node);
void dmu_node_event(struct dmu_node *node);
void dmu_node_watch(struct dmu_node *node);
void dmu_node_begin_grace(struct dmu_node *node);
void dmu_node_retry_later(struct dmu_node *node);
void dmu_node_wake(struct dmu_node *node, unsigned int requests);
void dmu_node_wake_all(struct dmu_node *node);
void dmu_node_submit(struct dmu_node *node, struct dmu_request *req);
int dmu_node_check_queue(struct dmu_target *target);
void dmu_node_set_sealed(struct dmu_node *node, bool sealed);
bool dmu_node_mark_sealed(struct dmu_node *node, bool sealed);
int dmu_node_open(struct inode *inode, struct file *file);
int dmu_channel_create(struct dmu_node *node, const struct dmu_channel *from,
		       struct dmu_channel **channel);
void dmu_channel_destroy(struct dmu_channel *channel);

/* device.c: the device file */
int dmu_device_init(void);
void dmu_device_exit(void);
int dmu_device_add(struct dmu_node *node);
void dmu_device_remove(struct dmu_node *node);
struct dmu_node *dmu_device_find(dev_t devt);

/* generation.c: channels that drain together */
int dmu_generation_join(struct dmu_channel *channel, u64 number, bool create);
void dmu_generation_leave(struct dmu_channel *channel);
void dmu_generation_drain(struct dmu_node *node, struct dmu_generation *generation, bool ordered);
int dmu_generation_undo(struct dmu_node *node, struct dmu_generation *generation);
bool dmu_generation_drop_claim(struct dmu_generation *generation);
struct dmu_generation *dmu_generation_find(struct dmu_node *node, u64 number);
int dmu_generation_check_alone(const struct dmu_channel *channel);

/* request.c: the transitions of the picture above */
int dmu_request_init(void);
void dmu_request_exit(void);
int dmu_request_map(struct dmu_target *target, struct bio *bio);
int dmu_request_claim(struct dmu_channel *channel);
int dmu_request_prepare_claim(struct dmu_channel *channel);
void dmu_request_sent(struct dmu_channel *channel);
void dmu_request_dismiss(struct dmu_channel *channel);
void dmu_request_give_back(struct dmu_channel *channel);
struct dmu_claim *dmu_request_begin_answer(struct dmu_channel *channel,
					   const struct dm_user_message *answer);
void dmu_request_answer(struct dmu_channel *channel, struct dmu_claim *claim, u64 response);
void dmu_request_orphan_all(struct dmu_channel *channel);
void dmu_request_revoke_all(struct dmu_node *node, blk_status_t status);
unsigned int dmu_request_fail_queued(struct dmu_node *node);
bool dmu_request_available(struct dmu_channel *channel);
void dmu_claim_free(struct dmu_channel *channel, struct dmu_claim *claim);
void dmu_request_forget(struct dmu_node *node, struct dmu_request *req);
void dmu_request_space_changed(struct dmu_node *node, u64 before, u64 now, blk_status_t status);

/* bio.c: a bio in the terms of the ABI */
int dmu_bio_type(const struct bio *bio);
u64 dmu_bio_flags(const struct bio *bio);
bool dmu_type_writes(u64 type);

/* remap.c: answers that send a request to a backing device */
void dmu_request_remap(struct dmu_channel *channel, struct dmu_claim *claim,
		       const struct dm_user_message *answer);

/* flush.c: what a flush must cover, and where it goes */
void dmu_flush_claimed(struct dmu_node *node, struct dmu_claim *claim,
		       const struct dmu_request *req);
void dmu_flush_dropped(struct dmu_node *node, const struct dmu_claim *claim);
void dmu_flush_answered(struct dmu_node *node, const struct dmu_claim *claim,
			const struct dmu_request *req);
bool dmu_flush_needs_backings(const struct dmu_node *node);
bool dmu_flush_is_lost(struct dmu_node *node);
int dmu_flush_map(struct dmu_target *target, struct bio *bio);
int dmu_flush_declare_clean(struct dmu_channel *channel);

/* flight.c: to wait for bios that were mapped before a change */
int dmu_flights_init(struct dmu_flights *flights);
void dmu_flights_exit(struct dmu_flights *flights);
int dmu_flights_sync(struct dmu_flights *flights);

/* @req boards the current flight. */
static inline void dmu_flight_board(struct dmu_flights *flights, struct dmu_request *req)
{
	rcu_read_lock_sched();
	/* Pairs with dmu_flights_sync(): a bio of the next flight sees the change. */
	req->flight = &flights->flights[smp_load_acquire(&flights->current_flight)];
	this_cpu_inc(*req->flight->aboard);
	rcu_read_unlock_sched();
}

/* @req leaves its flight, if it has boarded one. */
static inline void dmu_flight_leave(struct dmu_request *req)
{
	struct dmu_flight *flight = req->flight;
	bool landing;

	if (!flight)
		return;
	req->flight = NULL;
	rcu_read_lock_sched();
	landing = READ_ONCE(flight->landing);
	if (unlikely(landing))
		smp_mb();	/* pairs with dmu_flights_wait(): what the bio did comes before */
	this_cpu_dec(*flight->aboard);
	rcu_read_unlock_sched();
	if (unlikely(landing))
		wake_up(&flight->left);
}

/* extents.c: what the kernel maps by itself; an extents of NULL maps nothing */
struct dmu_extents_view {
	unsigned int count;
	u64 sectors;
	u64 reads, writes, others;	/* requests that were mapped */
};

struct dmu_extents *dmu_extents_create(unsigned int max);
int dmu_extents_begin(struct dmu_node *node);
void dmu_extents_free(struct dmu_extents *extents);
void dmu_extents_fit(struct dmu_extents *extents, const struct dmu_target *target);
int dmu_extents_map(struct dmu_target *target, struct bio *bio);
int dmu_extents_change(struct dmu_channel *channel, struct dm_user_map *map);
int dmu_extents_change_one(struct dmu_channel *channel, const struct dm_user_extent *extent);
int dmu_extents_drop(struct dmu_node *node);
int dmu_extents_list(struct dmu_extents *extents, struct dm_user_map *map);
int dmu_extents_print(const struct dmu_node *node, char *result, unsigned int maxlen);
unsigned int dmu_extents_common(struct dmu_extents *extents, unsigned long first,
				unsigned long last);
void dmu_extents_status(const struct dmu_extents *extents, struct dmu_extents_view *view);

/* Requests go, or may go, to backing devices past daemons and page cache. */
static inline void dmu_extents_use(struct dmu_extents *extents)
{
	WRITE_ONCE(extents->used, true);
	WRITE_ONCE(extents->bypassed, true);
}

/* cache.c: the page cache of the backing devices */
int dmu_cache_drop(struct dmu_node *node);
void dmu_cache_forget(struct dmu_target *target);

/* pin.c: no daemon in the way */
int dmu_pin(struct dmu_node *node);
int dmu_unpin(struct dmu_node *node);
void dmu_pin_fit(struct dmu_node *node);

/* target.c: the backing devices of a table */
void dmu_target_redirect(struct dmu_target *target, struct bio *bio, unsigned int nr,
			 sector_t sector);
void dmu_target_submit(struct dmu_request *req, unsigned int nr, sector_t sector);

/* end.c: in which context bios end */
int dmu_end_init(void);
void dmu_end_exit(void);
void dmu_end_request(struct dmu_request *req, blk_status_t status);

/* fence.c: where requests wait, and which of them wait for a revoked write */
void dmu_fence_init(struct dmu_claim *claim);
void dmu_fence_add(struct dmu_node *node, struct dmu_claim *claim);
void dmu_fence_remove(struct dmu_node *node, struct dmu_claim *claim);
bool dmu_fence_queue(struct dmu_node *node, struct dmu_request *req);
unsigned int dmu_fence_requeue_all(struct dmu_node *node, struct list_head *requests);
void dmu_fence_unqueue(struct dmu_node *node, struct dmu_request *req);
bool dmu_fence_overlaps(struct dmu_node *node, const struct bio *bio);
unsigned int dmu_fence_release_some(struct dmu_node *node);
void dmu_fence_release(struct dmu_node *node);
struct dmu_request *dmu_fence_take(struct dmu_node *node);

/* channel.c: the stream */
extern const struct file_operations dmu_channel_fops;
void dmu_channel_setup_file(struct file *file, struct dmu_channel *channel);

/* ioctl.c: beyond the stream */
long dmu_channel_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* DMU_H */
