/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dm-user, inside.
 *
 * A node is a control node and the device behind it; it outlives the tables
 * that name it, so that a reload keeps its channels. A target is one `user` row
 * of one table. A channel is one open of the node. A request is one bio. A claim
 * is a channel's hold on a request, from the first byte that its daemon reads to
 * the last byte of the answer. A generation is the set of channels that drain
 * together.
 *
 * Who owns a request, and what happens if the daemon dies here
 *
 *	QUEUED	  the node, on its queue. Nothing happens.
 *	SENDING	  a channel, being read. The close of the channel orphans it.
 *	HELD	  a channel, read; an answer is due. As above.
 *	RECEIVING a channel; the payload of the answer comes in. As above.
 *
 *	map -> QUEUED -> SENDING -> HELD [-> RECEIVING] -> ended
 *	a read that fails before its first byte: SENDING -> QUEUED
 *	close of the channel: SENDING, HELD, RECEIVING -> QUEUED, or ended (policy)
 *	revoke (noflush suspend, message "fail"): any state -> ended
 *	answer "no space" and nospace:wait: HELD -> QUEUED, where no reader takes it for a while
 *
 * A request lives in its bio and is gone with bio_endio(). A claim outlives a
 * revoked request, because the daemon that holds it does not know: its answer is
 * swallowed, and until then what overlaps the data that it may still write is
 * not handed out (fence.c). If it was still reading the request, its next read
 * tells it, and until then the same holds.
 *
 * Locks, each inside of those above it in its group
 *
 *	channel->read.mutex, channel->write.mutex	(never both)
 *	  mmap_lock of a daemon			(page faults)
 *
 *	md->type_lock				(DM: a table is loaded)
 *	  dmu_registry_lock			(ctr, dtr; memory without I/O)
 *	    the xarray's of devices		(open(), too)
 *	    node->targets_lock
 *	      DM's lock of events		(dm_table_event())
 *	md->suspend_lock			(DM: suspend, resume)
 *	  node->targets_lock
 *
 *	node->lock				(inside of all of them)
 *	  channel->lock
 *	    the slab's				(a claim is freed)
 *	  wait queues', timers', work queues'	(safe in interrupts)
 *
 * Nothing that a daemon must do to answer (read, write, poll, ioctl, close) takes
 * dmu_registry_lock or targets_lock. Data moves between bio and daemon under channel->lock
 * with page faults disabled, a page at a time, so a revoke never waits for a daemon's memory.
 * What may be long is done DMU_BATCH requests a lock hold.
 *
 * Who calls, in which context, and what is held then
 *
 *	ctr		 DM's ioctl; md->type_lock. May sleep, and opens the backing device.
 *	dtr		 DM's ioctls, or DM's work queue for a deferred remove; nothing.
 *			 May sleep.
 *	presuspend, postsuspend, preresume, resume
 *			 DM's ioctls, or the removal; md->suspend_lock. May sleep.
 *	status, message	 DM's ioctls; the table's SRCU, once others know it. May sleep.
 *	map		 the submitter of the bio, or DM's work queue; also a softirq; the
 *			 table's SRCU, and any lock or stage of memory reclaim that the
 *			 submitter is in: nothing is allocated, nothing waits; it takes
 *			 node->lock, then wakes.
 *	open		 whoever opens the node; nothing. May sleep.
 *	read, write, poll, ioctl
 *			 a daemon; nothing, or the lock of an io_uring or epoll, which
 *			 calls read and write with IOCB_NOWAIT. May sleep.
 *	release		 whoever drops the last reference to the file, also while he
 *			 exits; nothing. May sleep.
 *	event_work, nodaemon_work, nospace_work
 *			 dmu_workqueue (WQ_MEM_RECLAIM). May sleep.
 *
 * All but map and the end of bios is process context. map may be called in a softirq: dm-crypt
 * above us, with no_write_workqueue, submits where an asynchronous cipher is done, though
 * submit_bio() says that it might sleep. So the spinlocks are taken with _bh; channel->lock
 * inside of node->lock without. Nothing is submitted with interrupts off.
 *
 * Bios end in a softirq, as those of a disk do, and with no spinlock held (end.c). Those above
 * us that look where they are leave to a worker there what may wait (EROFS, f2fs), or do
 * without waiting (dm-crypt's memory). In a daemon's write() they would wait themselves, also
 * for the very device that the daemon serves.
 *
 * What keeps what alive
 *
 *	node	   node->ref: one each for a target (ctr to dtr), a channel (open to
 *		   release), pending event_work, nodaemon_work and nospace_work; and open()'s
 *		   own, from dmu_device_find(), which finds it under the xarray's lock,
 *		   until the last target is gone. Then its name is free (dead), and only
 *		   channels and work are left.
 *	target	   DM, from ctr to dtr. DM calls dtr when the table is bound no more and
 *		   its SRCU readers are gone, after the last request of it has ended.
 *		   Others reach it, and its ti and table, through node->targets and
 *		   node->live only, under targets_lock.
 *	channel	   its file. Others reach it through a claim only, under node->lock;
 *		   release drops its claims before anything else.
 *	generation its channels; it goes with the last. Generation 0 is part of the node.
 *	request	   its bio, from map to bio_endio(). It is on node->requests until somebody
 *		   takes it off there, under node->lock, and ends it: that is why each is
 *		   ended once. Until then it is in one place: on node->queue, node->released,
 *		   node->nospace or a claim's waiters, or in a claim.
 *	claim	   its channel: from read until the answer, a dismissal, a give-back, or
 *		   release. The
 *		   writer ends a HELD or RECEIVING one, the reader a canceled one, each
 *		   with his mutex; a revoke only takes the request away. So what
 *		   channel->in and channel->canceled point to stays when the spinlock
 *		   is dropped. claim->req and the pages of its bio may go then.
 *	module	   every file (fops.owner) and every target (DM). Work that is pending
 *		   after the last of them is waited for when dmu_workqueue goes, and a
 *		   softirq that has ended the last bio in dmu_end_exit().
 */
#ifndef DMU_H
#define DMU_H

#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
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
#define DMU_BATCH		64	/* most requests to be moved in one hold of a lock */

/* What a table row asks for. */
struct dmu_config {
	char *row;		/* all arguments, as given; what STATUSTYPE_TABLE prints */
	const char *ctl;	/* owned by the constructor's caller; not valid after it */
	bool android;		/* compat:android */
	bool orphans_fail;
	bool nodaemon_fail;
	unsigned int nodaemon_ms;
	bool nospace_wait;
	unsigned int grace_ms;	/* how long a request waits for the first daemon; 0: as above */
	bool discard;
	bool write_zeroes;
	bool secure_erase;
	unsigned int logical_block_size;	/* bytes */
	unsigned int physical_block_size;	/* bytes */
	unsigned int max_io;			/* bytes */
	dev_t backing;		/* the store, where it is a block device; 0: none is named */
};

struct dmu_counters {
	u64 answered[DM_USER_REQ_MAP_WRITE_ZEROES + 1];	/* by type of request */
	u64 errors;		/* answered ERROR */
	u64 unsupported;	/* answered UNSUPPORTED */
	u64 requeued;		/* orphans handed back to the queue */
	u64 failed;		/* ended with an error that no daemon gave */
	u64 refused;		/* answers refused */
};

/* All fields are guarded by the node's lock. */
struct dmu_generation {
	struct list_head list;		/* in node->generations */
	u64 number;
	u64 drains;			/* how many; one after an undone one is the same */
	bool undone;			/* there was one that was undone */
	bool ordered;			/* there is one by message, which cannot be */
	unsigned int state;		/* DM_USER_SERVING, DRAINING, DRAINED */
	unsigned int channels;
	unsigned int held;		/* claims of its channels */
	u64 answered;
};

struct dmu_node {
	struct kref ref;		/* one a target, channel, pending work */
	struct list_head list;		/* dmu_registry_lock: in dmu_nodes */
	char *name;			/* "dm-user/CTL" */
	struct mapped_device *md;	/* identity only; valid while targets is not empty */
	dev_t devt;			/* of the control node */

	struct mutex targets_lock;	/* guards: targets, live */
	struct list_head targets;	/* one each of the live and inactive tables */
	struct dmu_target *live;	/* of the live table, or NULL */

	wait_queue_head_t readers;	/* exclusive: a request wakes one */
	wait_queue_head_t pollers;	/* apart: EPOLLEXCLUSIVE would swallow a wake-up */

	spinlock_t lock;		/* guards all below */
	bool dead;			/* DM destroyed the last target */
	bool sealed;
	bool suspended;
	bool has_daemon;		/* some channel could take a request */
	bool had_daemon;		/* ... now or ever */
	bool failing;			/* no daemon for longer than the policy waits */
	unsigned int revoking;		/* revokes that are not through yet */
	bool read_only;
	struct dmu_config config;	/* live's, or the first's before that; no row, ctl */
	dev_t dev;
	sector_t start;
	sector_t sectors;
	u64 next_seq;
	u64 newest_generation;
	struct list_head requests;	/* all, by seq, which is by age */
	u64 queued;			/* requests on queue, released, nospace and waiters */
	struct list_head queue;		/* requests that the next reader may have */
	struct list_head released;	/* ...whose place is to be looked for (again) */
	struct list_head nospace;	/* requests that a daemon is asked for again in a while */
	u64 lacking;			/* requests for which there was no space the last time */
	unsigned int fenced;
	struct rb_root_cached fence_tree;	/* revoked claims that may still write, by sector */
	struct list_head blocking;	/* those of them that requests wait for */
	unsigned int channel_count;
	struct list_head generations;
	unsigned int generation_count;	/* without unjoined */
	struct dmu_generation unjoined;	/* generation 0, always on the list */
	struct dmu_counters counters;

	struct work_struct event_work;		/* tells DM that something changed */
	struct delayed_work nodaemon_work;	/* policy nodaemon:fail */
	struct delayed_work nospace_work;	/* policy nospace:wait */
};

struct dmu_target {
	struct dm_target *ti;
	struct dmu_node *node;
	struct list_head list;		/* node->targets */
	struct dmu_config config;
	struct dm_dev *backing;		/* DM's claim on config.backing, or NULL */
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
	struct list_head list;		/* where it waits, or of who ends it; not in a claim */
	struct llist_node ended;	/* end.c */
	struct dmu_claim *claim;	/* the node's lock: the claim it is in, or NULL */
	struct bio *bio;
	u64 seq;
	unsigned int type;		/* DM_USER_REQ_MAP_* */
	bool lacking;			/* the node's lock: counted in node->lacking */
	unsigned long born;		/* jiffies */
};

/* The channel's lock, but for fence's; channel and msg change with the request only. */
struct dmu_claim {
	struct dmu_channel *channel;
	struct dmu_request *req;	/* NULL: revoked */
	enum dmu_request_state state;	/* SENDING or later */
	struct rb_node rb;		/* channel->claims */
	/* The node's lock: */
	struct rb_node fence_rb;	/* node->fence_tree, or empty */
	u64 fence_last;			/* greatest last sector of the subtree */
	struct list_head waiters;	/* requests that overlap */
	struct list_head blocking;	/* node->blocking, if there are any */
	struct dm_user_message msg;
};

/* One at a time, in a direction of the stream. */
struct dmu_turn {
	struct mutex mutex;		/* whose turn it is */
	bool wanted;			/* somebody would not wait: pollers are woken at the end */
};

struct dmu_channel {
	struct dmu_node *node;
	struct dmu_generation *generation;	/* node's lock */
	u64 drains;			/* node's lock: of generation 0, before this channel came */
	u64 taken;			/* node's lock: requests, but those given back unread */
	bool passed;			/* it came by DM_USER_IOC_OPEN; constant */

	struct dmu_turn read;		/* guards: spare */
	struct dmu_claim *spare;	/* for the next request */

	struct dmu_turn write;		/* guards: answer, answer_len, and changes of in */
	struct dm_user_message answer;	/* header of an answer, as far as it has come */
	unsigned int answer_len;

	spinlock_t lock;		/* guards all below */
	struct dmu_claim *out;		/* being read, or NULL */
	struct dmu_claim *canceled;	/* was out when revoked; the reader doesn't know yet */
	size_t sent;			/* bytes of out's header and payload */
	struct bvec_iter out_iter;	/* what is left of out's payload */
	struct dmu_claim *in;		/* whose answer's payload comes in, or NULL */
	size_t in_left;			/* bytes */
	struct bvec_iter in_iter;
	struct rb_root claims;		/* by seq, which is by age: oldest first */
	bool reserve_used;
	struct dmu_claim reserve;	/* so that one request can always be served */
};

/* args.c: the table row */
extern bool dmu_compat_default;		/* compat:android where a row does not say */
int dmu_compat_parse(const char *value, bool *android);
int dmu_config_parse(struct dmu_config *config, unsigned int argc, char **argv, char **error);
void dmu_config_free(struct dmu_config *config);
bool dmu_config_same_limits(const struct dmu_config *a, const struct dmu_config *b);

/*
 * Nobody has ever served, and each request waits for its own time until somebody does. The node's
 * lock.
 */
static inline bool dmu_node_in_grace(const struct dmu_node *node)
{
	return node->config.grace_ms && !node->had_daemon;
}

/* Then, when a request of age @born has waited long enough; in jiffies. */
static inline unsigned long dmu_node_grace_end(const struct dmu_node *node, unsigned long born)
{
	return born + msecs_to_jiffies(node->config.grace_ms);
}

/* node.c: life of a node, and who may come in */
extern struct workqueue_struct *dmu_workqueue;
int dmu_node_attach(struct dmu_target *target, char **error);
void dmu_node_detach(struct dmu_target *target);
void dmu_node_activate(struct dmu_target *target);
void dmu_node_put(struct dmu_node *node);
void dmu_node_event(struct dmu_node *node);
void dmu_node_watch(struct dmu_node *node);
void dmu_node_begin_grace(struct dmu_node *node);
void dmu_node_retry_later(struct dmu_node *node);
void dmu_node_wake(struct dmu_node *node, unsigned int requests);
void dmu_node_wake_all(struct dmu_node *node);
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

/* generation.c: who drains together */
int dmu_generation_join(struct dmu_channel *channel, u64 number, bool create);
void dmu_generation_leave(struct dmu_channel *channel);
void dmu_generation_drain(struct dmu_node *node, struct dmu_generation *generation, bool ordered);
int dmu_generation_undo(struct dmu_node *node, struct dmu_generation *generation);
bool dmu_generation_drop_claim(struct dmu_generation *generation);
struct dmu_generation *dmu_generation_find(struct dmu_node *node, u64 number);

/* request.c: the transitions; each function is one arrow of the picture above */
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

/* end.c: in which context bios end */
int dmu_end_init(void);
void dmu_end_exit(void);
void dmu_end_request(struct dmu_request *req, blk_status_t status);

/* fence.c: where requests wait, and what must wait for a revoked write */
void dmu_fence_init(struct dmu_claim *claim);
void dmu_fence_add(struct dmu_node *node, struct dmu_claim *claim);
void dmu_fence_remove(struct dmu_node *node, struct dmu_claim *claim);
bool dmu_fence_queue(struct dmu_node *node, struct dmu_request *req);
unsigned int dmu_fence_requeue_all(struct dmu_node *node, struct list_head *requests);
void dmu_fence_unqueue(struct dmu_node *node, struct dmu_request *req);
unsigned int dmu_fence_release_some(struct dmu_node *node);
void dmu_fence_release(struct dmu_node *node);
struct dmu_request *dmu_fence_take(struct dmu_node *node);

/* channel.c: the stream */
extern const struct file_operations dmu_channel_fops;
void dmu_channel_setup_file(struct file *file, struct dmu_channel *channel);

/* ioctl.c: beyond the stream */
long dmu_channel_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* DMU_H */
