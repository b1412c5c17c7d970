// SPDX-License-Identifier: GPL-2.0
/*
 * Extents: ranges of the device that the kernel maps to a backing device by itself. They belong to
 * the node, and outlive daemons, handovers, drains and reloads.
 *
 * The map is a maple tree from sectors to values, so a look-up takes no lock. A value holds the
 * distance to the backing device's sectors, not a start: when a range is cut, its parts keep the
 * value.
 *
 * A bio that may be mapped boards a flight before it looks (flight.c).
 */
#include <linux/math64.h>
#include <linux/overflow.h>
#include <linux/percpu.h>
#include <linux/rcupdate_wait.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "dmu.h"

/* Of a value: two bits of flags, two of the backing device's index, then the distance. */
#define DMU_EXTENT_FLAGS	(DM_USER_EXTENT_READ | DM_USER_EXTENT_WRITE)
#define DMU_EXTENT_BACKING	2
#define DMU_EXTENT_DISTANCE	4
#define DMU_EXTENT_SECTORS	BIT_ULL(58)	/* distances are modulo this */

/* A daemon that waits for memory may be the one that frees it: rather fail. */
#define DMU_EXTENT_GFP	(GFP_NOIO | __GFP_NORETRY | __GFP_ACCOUNT | __GFP_NOWARN)
#define DMU_LIST_BATCH	16
/*
 * Most extents that one store replaces. A maple tree frees a subtree of several levels by walking
 * it after a grace period, and mt_free_walk() takes the metadata in the last slot of a node that is
 * not full for a child (seen to crash 6.12). So few extents may not fill a node above the leaves.
 */
#define DMU_STORE_MAX	8

static_assert(DMU_EXTENT_FLAGS == 3);
static_assert(DMU_BACKINGS_MAX <= 4);

/* ---- values ---- */

static void *dmu_extent_value(const struct dm_user_extent *extent)
{
	u64 distance = (extent->target - extent->sector) & (DMU_EXTENT_SECTORS - 1);

	if (!extent->flags)
		return NULL;
	return xa_mk_value(distance << DMU_EXTENT_DISTANCE |
			   (u64)extent->backing << DMU_EXTENT_BACKING | extent->flags);
}

static unsigned int dmu_value_flags(const void *value)
{
	return xa_to_value(value) & DMU_EXTENT_FLAGS;
}

static unsigned int dmu_value_backing(const void *value)
{
	return xa_to_value(value) >> DMU_EXTENT_BACKING & 3;
}

static sector_t dmu_value_target(const void *value, sector_t sector)
{
	return (sector + (xa_to_value(value) >> DMU_EXTENT_DISTANCE)) & (DMU_EXTENT_SECTORS - 1);
}

/* ---- life ---- */

/* NULL: no memory. */
struct dmu_extents *dmu_extents_create(unsigned int max)
{
	struct dmu_extents *extents = kzalloc(sizeof(*extents), GFP_KERNEL);

	if (!extents)
		return NULL;
	extents->stats = alloc_percpu(struct dmu_extents_stats);
	if (!extents->stats)
		goto err_free;
	if (dmu_flights_init(&extents->flights))
		goto err_stats;
	mutex_init(&extents->lock);
	mt_init_flags(&extents->tree, MT_FLAGS_USE_RCU);
	extents->max = max;
	extents->grain = ~(ULONG_MAX >> 1);
	return extents;

err_stats:
	free_percpu(extents->stats);
err_free:
	kfree(extents);
	return NULL;
}

/* No bio is mapped any more. May sleep. */
void dmu_extents_free(struct dmu_extents *extents)
{
	if (!extents)
		return;
	dmu_flights_exit(&extents->flights);
	/* No look-up is under way: free at once, see DMU_STORE_MAX. */
	mt_clear_in_rcu(&extents->tree);
	mtree_destroy(&extents->tree);
	free_percpu(extents->stats);
	kfree(extents);
}

/* ---- map ---- */

/* Leave of @bio what has the value of its beginning, and return that, or NULL. */
static noinline void *dmu_extents_find_part(struct dmu_extents *extents, struct bio *bio)
{
	MA_STATE(mas, &extents->tree, bio->bi_iter.bi_sector, bio->bi_iter.bi_sector);
	sector_t sector = bio->bi_iter.bi_sector;
	void *value;

	rcu_read_lock();
	value = mas_walk(&mas);
	rcu_read_unlock();
	if (bio_sectors(bio) && mas.last - sector < bio_sectors(bio) - 1)
		dm_accept_partial_bio(bio, mas.last - sector + 1);
	return value;
}

static noinline void *dmu_extents_find_in_tree(struct dmu_extents *extents, struct bio *bio)
{
	sector_t first = bio->bi_iter.bi_sector, last = first + bio_sectors(bio) - 1;
	void *value;

	if (mtree_empty(&extents->tree))
		return NULL;
	/* A look-up of a value without its end is cheaper. */
	if ((first ^ last) < READ_ONCE(extents->grain)) {
		value = mtree_load(&extents->tree, first);
		/* Pairs with dmu_extents_set_grain(): a value comes with its grain. */
		smp_rmb();
		if (likely((first ^ last) < READ_ONCE(extents->grain)))
			return value;
	}
	return dmu_extents_find_part(extents, bio);
}

/* The value of @bio, or NULL. A bio with several is cut to where the first ends. */
static void *dmu_extents_find(struct dmu_extents *extents, struct bio *bio)
{
	return READ_ONCE(extents->whole) ?: dmu_extents_find_in_tree(extents, bio);
}

static bool dmu_value_allows(const void *value, const struct bio *bio)
{
	if (bio_op(bio) == REQ_OP_READ)
		return dmu_value_flags(value) & DM_USER_EXTENT_READ;
	switch (bio_op(bio)) {
	case REQ_OP_WRITE:
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
	case REQ_OP_WRITE_ZEROES:
		return dmu_value_flags(value) & DM_USER_EXTENT_WRITE;
	default:
		return false;
	}
}

static void dmu_extents_count(struct dmu_extents *extents, const struct bio *bio)
{
	if (bio_op(bio) == REQ_OP_READ)
		this_cpu_inc(extents->stats->reads);
	else if (bio_op(bio) == REQ_OP_WRITE)
		this_cpu_inc(extents->stats->writes);
	else
		this_cpu_inc(extents->stats->others);
}

/* Must @bio wait for a daemon that may still write what was, or is being, taken back from it? */
static noinline bool dmu_extents_fenced(struct dmu_node *node, const struct bio *bio)
{
	bool fenced;

	spin_lock_bh(&node->lock);
	fenced = dmu_fence_overlaps(node, bio) || (node->revoking && node->writing);
	spin_unlock_bh(&node->lock);
	return fenced;
}

/*
 * Map @bio, or the part of it that has one answer. DMU_MAPIO_DAEMON: it is for the daemon, whose
 * queue also has the waiting for fences.
 */
static __always_inline int dmu_extents_map_once(struct dmu_target *target,
						struct dmu_request *req, struct bio *bio)
{
	struct dmu_node *node = target->node;
	struct dmu_extents *extents = node->extents;
	void *value;

	if (!bio_sectors(bio) && (op_is_flush(bio->bi_opf) || bio_op(bio) == REQ_OP_FLUSH))
		return dmu_flush_map(target, bio);
	dmu_flight_board(&extents->flights, req);
	value = dmu_extents_find(extents, bio);
	if (!value || !dmu_value_allows(value, bio))
		goto leave;
	if (unlikely(READ_ONCE(node->fenced) || READ_ONCE(node->revoking)) &&
	    dmu_extents_fenced(node, bio))
		goto leave;
	dmu_extents_count(extents, bio);
	dmu_target_redirect(target, bio, dmu_value_backing(value),
			    dmu_value_target(value, bio->bi_iter.bi_sector));
	return DM_MAPIO_REMAPPED;

leave:
	dmu_flight_leave(req);
	return DMU_MAPIO_DAEMON;
}

/* DM cuts no bio to max_io where there are extents: do it for a daemon. */
static void dmu_extents_cut(const struct dmu_target *target, struct bio *bio)
{
	u32 max = target->config.max_io >> SECTOR_SHIFT, past;

	div_u64_rem(dm_target_offset(target->ti, bio->bi_iter.bi_sector), max, &past);
	if ((bio_op(bio) == REQ_OP_READ || bio_op(bio) == REQ_OP_WRITE) &&
	    max - past < bio_sectors(bio))
		dm_accept_partial_bio(bio, max - past);
}

/* Queue @bio, or a part of it. Returns a DM_MAPIO_*. */
static noinline int dmu_extents_queue(struct dmu_target *target, struct dmu_request *req,
				      struct bio *bio)
{
	int ret;

	/* Another round comes only of a pin in the round before. */
	do {
		dmu_extents_cut(target, bio);
		ret = dmu_request_map(target, bio);
		if (ret == DMU_MAPIO_AGAIN)
			ret = dmu_extents_map_once(target, req, bio);
	} while (ret == DMU_MAPIO_DAEMON);
	return ret;
}

/* Map or queue @bio, or a part of it. Returns a DM_MAPIO_* for DM. */
int dmu_extents_map(struct dmu_target *target, struct bio *bio)
{
	struct dmu_request *req = dm_per_bio_data(bio, sizeof(*req));
	int ret;

	/* A flush boards none. */
	req->flight = NULL;
	ret = dmu_extents_map_once(target, req, bio);
	return ret == DMU_MAPIO_DAEMON ? dmu_extents_queue(target, req, bio) : ret;
}

/* ---- change ---- */

/* How a change of a range changes what there is. */
struct dmu_extents_effect {
	unsigned int gone;		/* extents that the range touches */
	unsigned int rests;		/* their parts beside the range */
	u64 sectors;			/* mapped ones in the range */
};

static void dmu_extents_look(struct dmu_extents *extents, unsigned long first,
			     unsigned long last, struct dmu_extents_effect *effect)
{
	MA_STATE(mas, &extents->tree, first, first);
	void *value;

	lockdep_assert_held(&extents->lock);
	*effect = (struct dmu_extents_effect) { };
	rcu_read_lock();
	mas_for_each(&mas, value, last) {
		effect->gone++;
		effect->rests += (mas.index < first) + (mas.last > last);
		effect->sectors += min(mas.last, last) - max(mas.index, first) + 1;
		if (need_resched()) {
			mas_pause(&mas);
			cond_resched_rcu();
		}
	}
	rcu_read_unlock();
}

/* What all of [@first, @last] is mapped for, DM_USER_EXTENT_*. */
unsigned int dmu_extents_common(struct dmu_extents *extents, unsigned long first,
				unsigned long last)
{
	MA_STATE(mas, &extents->tree, first, first);
	unsigned int flags = DMU_EXTENT_FLAGS;
	unsigned long next = first;
	void *value;

	lockdep_assert_held(&extents->lock);
	rcu_read_lock();
	mas_for_each(&mas, value, last) {
		if (mas.index > next)
			break;
		flags &= dmu_value_flags(value);
		next = mas.last + 1;
		if (need_resched()) {
			mas_pause(&mas);
			cond_resched_rcu();
		}
	}
	rcu_read_unlock();
	return next > last ? flags : 0;
}

/* Look anew whether one value maps all of [@start, @start + @sectors). */
static void dmu_extents_set_whole(struct dmu_extents *extents, sector_t start, sector_t sectors)
{
	MA_STATE(mas, &extents->tree, start, start);
	void *value;

	lockdep_assert_held(&extents->lock);
	rcu_read_lock();
	value = mas_walk(&mas);
	if (mas.last < start + sectors - 1)
		value = NULL;
	rcu_read_unlock();
	WRITE_ONCE(extents->whole, value);
}

/* @target's table is about to be live. */
void dmu_extents_fit(struct dmu_extents *extents, const struct dmu_target *target)
{
	if (!extents)
		return;
	mutex_lock(&extents->lock);
	extents->max = target->config.extents_max;
	dmu_extents_set_whole(extents, target->ti->begin, target->ti->len);
	mutex_unlock(&extents->lock);
}

/* Remove the first extent that lies in [@first, @last] wholly. 0 or -ENOMEM. */
static int dmu_extents_remove_one(struct dmu_extents *extents, unsigned long first,
				  unsigned long last)
{
	MA_STATE(mas, &extents->tree, first, first);
	void *value;
	int ret;

	lockdep_assert_held(&extents->lock);
	rcu_read_lock();
	do {
		value = mas_find(&mas, last);
	} while (value && mas.index < first);
	rcu_read_unlock();
	if (WARN_ON_ONCE(!value || mas.last > last))
		return -EUCLEAN;
	ret = mtree_store_range(&extents->tree, mas.index, mas.last, NULL, DMU_EXTENT_GFP);
	if (ret)
		return ret;
	WRITE_ONCE(extents->count, extents->count - 1);
	WRITE_ONCE(extents->sectors, extents->sectors - (mas.last - mas.index + 1));
	return 0;
}

/* Leave at most DMU_STORE_MAX extents that [@first, @last] touches. 0, -ENOMEM or -EINTR. */
static int dmu_extents_thin(struct dmu_extents *extents, unsigned long first, unsigned long last,
			    struct dmu_extents_effect *effect)
{
	int ret = 0;

	dmu_extents_look(extents, first, last, effect);
	if (effect->gone <= DMU_STORE_MAX)
		return 0;
	WRITE_ONCE(extents->whole, NULL);
	for (; !ret && effect->gone > DMU_STORE_MAX; effect->gone--) {
		ret = dmu_extents_remove_one(extents, first, last);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	dmu_extents_look(extents, first, last, effect);
	return ret;
}

/* There is about to be an extent of [@first, @last], or none. The grain never grows again. */
static void dmu_extents_set_grain(struct dmu_extents *extents, unsigned long first,
				  unsigned long last)
{
	unsigned long seams = extents->grain | first | (last + 1);

	lockdep_assert_held(&extents->lock);
	WRITE_ONCE(extents->grain, seams & -seams);
	/* Pairs with dmu_extents_find(). */
	smp_wmb();
}

/* Set the range of @extent, which has been checked. 0, -ENOSPC, -ENOMEM or -EINTR. */
static int dmu_extents_set(struct dmu_extents *extents, const struct dm_user_extent *extent)
{
	unsigned long first = extent->sector, last = first + extent->len - 1;
	struct dmu_extents_effect effect;
	unsigned int count;
	int ret;

	dmu_extents_look(extents, first, last, &effect);
	count = extents->count - effect.gone + effect.rests + !!extent->flags;
	if (count > extents->max && count > extents->count)
		return -ENOSPC;
	ret = dmu_extents_thin(extents, first, last, &effect);
	if (ret)
		return ret;
	/* Before a bio finds it: a flush after that bio goes to the backing devices. */
	if (extent->flags)
		dmu_extents_use(extents);
	dmu_extents_set_grain(extents, first, last);
	ret = mtree_store_range(&extents->tree, first, last, dmu_extent_value(extent),
				DMU_EXTENT_GFP);
	if (ret)
		return ret;
	WRITE_ONCE(extents->count, count);
	WRITE_ONCE(extents->sectors, extents->sectors - effect.sectors +
				     (extent->flags ? extent->len : 0));
	return 0;
}

/*
 * All of the new node @node is mapped to the same sectors of the first backing device. 0, -EINVAL:
 * that is too small; -ENOMEM.
 */
int dmu_extents_begin(struct dmu_node *node)
{
	const struct dm_user_extent extent = {
		.sector = node->start,
		.len = node->sectors,
		.target = node->start,
		.flags = DM_USER_EXTENT_READ | (node->read_only ? 0 : DM_USER_EXTENT_WRITE),
	};
	int ret;

	if (extent.target + extent.len > node->backing_sectors[0])
		return -EINVAL;
	mutex_lock(&node->extents->lock);
	ret = dmu_extents_set(node->extents, &extent);
	mutex_unlock(&node->extents->lock);
	return ret;
}

/* Does @extent make sense for @channel's node? 0 or -errno. */
static int dmu_extent_check(struct dmu_node *node, const struct dm_user_extent *extent)
{
	unsigned int block = node->config.logical_block_size >> SECTOR_SHIFT;
	u64 end, target_end;

	lockdep_assert_held(&node->lock);
	if (extent->flags & ~DMU_EXTENT_FLAGS || !extent->len ||
	    check_add_overflow(extent->sector, extent->len, &end) ||
	    check_add_overflow(extent->target, extent->len, &target_end))
		return -EINVAL;
	if ((extent->sector | extent->len | extent->target) & (block - 1))
		return -EINVAL;
	/* The device may have shrunk since an extent was made. */
	if (!extent->flags)
		return extent->target || extent->backing ? -EINVAL : 0;
	if (extent->sector < node->start || end > node->start + node->sectors)
		return -ERANGE;
	if (extent->backing >= node->config.backing_count)
		return -ENXIO;
	return target_end > node->backing_sectors[extent->backing] ? -ERANGE : 0;
}

/* Set the range of @extent for @channel; 0 or -errno. May sleep. */
int dmu_extents_change_one(struct dmu_channel *channel, const struct dm_user_extent *extent)
{
	struct dmu_node *node = channel->node;
	sector_t start, sectors;
	int ret;

	if (mutex_lock_killable(&node->extents->lock))
		return -EINTR;
	spin_lock_bh(&node->lock);
	ret = dmu_generation_check_alone(channel);
	if (!ret)
		ret = dmu_extent_check(node, extent);
	start = node->start;
	sectors = node->sectors;
	spin_unlock_bh(&node->lock);
	if (!ret)
		ret = dmu_extents_set(node->extents, extent);
	if (!ret)
		dmu_extents_set_whole(node->extents, start, sectors);
	mutex_unlock(&node->extents->lock);
	return ret;
}

/* Set @map->count ranges, in order, until one fails. @map->count: those that are set. */
int dmu_extents_change(struct dmu_channel *channel, struct dm_user_map *map)
{
	const struct dm_user_extent __user *from = u64_to_user_ptr(map->extents);
	struct dm_user_extent extent;
	u32 i;
	int ret = map->sector ? -EINVAL : 0;

	for (i = 0; i < map->count && !ret; i++) {
		if (copy_from_user(&extent, &from[i], sizeof(extent)))
			ret = -EFAULT;
		else
			ret = dmu_extents_change_one(channel, &extent);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		if (ret)
			break;
		cond_resched();
	}
	map->count = i;
	return ret;
}

/* Map nothing any more, and wait for what was mapped: an administrator's message. */
int dmu_extents_drop(struct dmu_node *node)
{
	struct dmu_extents *extents = node->extents;
	int ret = 0;

	if (!extents)
		return -EOPNOTSUPP;
	if (mutex_lock_killable(&extents->lock))
		return -EINTR;
	spin_lock_bh(&node->lock);
	if (node->pinned)
		ret = -EBUSY;
	spin_unlock_bh(&node->lock);
	if (!ret)
		WRITE_ONCE(extents->whole, NULL);
	while (!ret && extents->count) {
		ret = dmu_extents_remove_one(extents, 0, ULONG_MAX);
		if (fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	mutex_unlock(&extents->lock);
	return ret ?: dmu_flights_sync(&extents->flights);
}

/* ---- show ---- */

/* Fill @batch with extents from *@sector on, and move that. Returns how many. */
static unsigned int dmu_extents_list_some(struct dmu_extents *extents, u64 *sector,
					  struct dm_user_extent *batch, unsigned int max)
{
	MA_STATE(mas, &extents->tree, *sector, *sector);
	unsigned int n = 0;
	void *value;

	rcu_read_lock();
	while (n < max && (value = mas_find(&mas, ULONG_MAX))) {
		batch[n++] = (struct dm_user_extent) {
			.sector = mas.index,
			.len = mas.last - mas.index + 1,
			.target = dmu_value_target(value, mas.index),
			.backing = dmu_value_backing(value),
			.flags = dmu_value_flags(value),
		};
		*sector = mas.last + 1;
	}
	rcu_read_unlock();
	return n;
}

/*
 * List at most @map->count extents from @map->sector on. @map->count: those that are listed;
 * @map->sector: where the next call goes on.
 */
int dmu_extents_list(struct dmu_extents *extents, struct dm_user_map *map)
{
	struct dm_user_extent __user *to = u64_to_user_ptr(map->extents);
	struct dm_user_extent batch[DMU_LIST_BATCH];
	u32 done = 0;
	unsigned int n;
	int ret = 0;

	/* A change of an older generation, begun before this channel joined, has ended then. */
	if (mutex_lock_killable(&extents->lock))
		return -EINTR;
	mutex_unlock(&extents->lock);
	while (done < map->count) {
		n = dmu_extents_list_some(extents, &map->sector, batch,
					  min_t(u32, map->count - done, DMU_LIST_BATCH));
		if (copy_to_user(&to[done], batch, n * sizeof(batch[0]))) {
			ret = -EFAULT;
			break;
		}
		done += n;
		if (!n || fatal_signal_pending(current))
			break;
		cond_resched();
	}
	map->count = done;
	return ret;
}

/*
 * The message "extents": print all as rows of dm-linear, in @result of @maxlen bytes. 1: DM looks
 * whether they fit; -EOPNOTSUPP; -EINTR: the caller is being killed.
 */
int dmu_extents_print(const struct dmu_node *node, char *result, unsigned int maxlen)
{
	static const char *const flags[] = {
		[DM_USER_EXTENT_READ] = "r", [DM_USER_EXTENT_WRITE] = "w",
		[DMU_EXTENT_FLAGS] = "rw",
	};
	struct dm_user_extent batch[DMU_LIST_BATCH], *extent;
	struct dmu_extents *extents = node->extents;
	unsigned int n, sz = 0;
	u64 sector = 0;
	dev_t dev;

	if (!extents)
		return -EOPNOTSUPP;
	if (mutex_lock_killable(&extents->lock))
		return -EINTR;
	/* Also if there is none: @result has the message so far. */
	DMEMIT("%s", "");
	do {
		n = dmu_extents_list_some(extents, &sector, batch, DMU_LIST_BATCH);
		for (extent = batch; extent < batch + n; extent++) {
			dev = node->config.backings[extent->backing];
			DMEMIT("%llu %llu %u:%u %llu %s\n", extent->sector, extent->len,
			       MAJOR(dev), MINOR(dev), extent->target, flags[extent->flags]);
		}
		cond_resched();
	} while (n && sz + 1 < maxlen && !fatal_signal_pending(current));
	mutex_unlock(&extents->lock);
	return 1;
}

void dmu_extents_status(const struct dmu_extents *extents, struct dmu_extents_view *view)
{
	const struct dmu_extents_stats *stats;
	int cpu;

	*view = (struct dmu_extents_view) {
		.count = READ_ONCE(extents->count),
		.sectors = READ_ONCE(extents->sectors),
	};
	for_each_possible_cpu(cpu) {
		stats = per_cpu_ptr(extents->stats, cpu);
		view->reads += READ_ONCE(stats->reads);
		view->writes += READ_ONCE(stats->writes);
		view->others += READ_ONCE(stats->others);
	}
}
