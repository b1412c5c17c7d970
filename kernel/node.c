// SPDX-License-Identifier: GPL-2.0
/* Life of a node: it stays until its last table and its last channel are gone. */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "dmu.h"

#define DM_MSG_PREFIX "user"

static DEFINE_MUTEX(dmu_registry_lock);	/* guards: dmu_nodes, and which node a target attaches to */
static LIST_HEAD(dmu_nodes);

struct workqueue_struct *dmu_workqueue;

/*
 * No daemon takes dmu_registry_lock to serve. But a reload and a removal of a device take it, so
 * its holder must not wait for memory that needs I/O of that device.
 */
static unsigned int dmu_registry_enter(void)
{
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&dmu_registry_lock);
	return noio;
}

static void dmu_registry_leave(unsigned int noio)
{
	mutex_unlock(&dmu_registry_lock);
	memalloc_noio_restore(noio);
}

static void dmu_node_free(struct kref *ref)
{
	struct dmu_node *node = container_of(ref, struct dmu_node, ref);

	dmu_extents_free(node->extents);
	kfree(node->name);
	kfree(node);
}

/* Drop one of the references that dmu.h lists. Takes no lock. */
void dmu_node_put(struct dmu_node *node)
{
	kref_put(&node->ref, dmu_node_free);
}

static void dmu_node_event_work(struct work_struct *work)
{
	struct dmu_node *node = container_of(work, struct dmu_node, event_work);
	struct dmu_target *target;

	mutex_lock(&node->targets_lock);
	list_for_each_entry(target, &node->targets, list)
		dm_table_event(target->ti->table);
	mutex_unlock(&node->targets_lock);
	dmu_node_put(node);
}

/*
 * Tell waiters in `dmsetup wait` that the status changed. The work may run before queue_work()
 * returns, and the caller's reference may be the last, so take a reference first.
 */
void dmu_node_event(struct dmu_node *node)
{
	kref_get(&node->ref);
	if (!queue_work(dmu_workqueue, &node->event_work))
		dmu_node_put(node);
}

/*
 * @requests have been added to the queue: wake a reader for each, and all pollers, because a poller
 * that does not react must not keep a request from the others.
 */
void dmu_node_wake(struct dmu_node *node, unsigned int requests)
{
	if (!requests)
		return;
	wake_up_interruptible_nr(&node->readers, requests);
	if (wq_has_sleeper(&node->pollers))
		__wake_up(&node->pollers, TASK_NORMAL, 0, poll_to_key(EPOLLIN | EPOLLRDNORM));
}

/* For changes other than new requests on the queue. */
void dmu_node_wake_all(struct dmu_node *node)
{
	wake_up_interruptible_all(&node->readers);
	wake_up_all(&node->pollers);
}

static void dmu_node_submit_work(struct work_struct *work)
{
	struct dmu_node *node = container_of(work, struct dmu_node, submit_work);
	struct llist_node *list = llist_reverse_order(llist_del_all(&node->submits));
	struct dmu_request *req, *next;

	llist_for_each_entry_safe(req, next, list, ended)
		submit_bio_noacct(req->bio);
	dmu_node_put(node);
}

/*
 * Submit the bio of @req, which is no request any more, to the device that it names. By a worker,
 * because the daemon must not wait for that device, nor end bios in its own context: see end.c.
 */
void dmu_node_submit(struct dmu_node *node, struct dmu_request *req)
{
	kref_get(&node->ref);
	llist_add(&req->ended, &node->submits);
	if (!queue_work(dmu_workqueue, &node->submit_work))
		dmu_node_put(node);
}

/* Run nodaemon_work in @ms milliseconds, and not before. */
static void dmu_node_rearm(struct dmu_node *node, unsigned int ms)
{
	lockdep_assert_held(&node->lock);
	/* The work takes this lock first, so it drops the reference only after the kref_get(). */
	if (!node->dead &&
	    !mod_delayed_work(dmu_workqueue, &node->nodaemon_work, msecs_to_jiffies(ms)))
		kref_get(&node->ref);
}

/*
 * A request has come before the first daemon. nodaemon_work runs for the oldest request, and then
 * for this one.
 */
void dmu_node_begin_grace(struct dmu_node *node)
{
	if (!delayed_work_pending(&node->nodaemon_work))
		dmu_node_rearm(node, node->config.grace_ms);
}

/* Hand the requests on node->nospace to daemons again in DMU_NOSPACE_MS. */
void dmu_node_retry_later(struct dmu_node *node)
{
	lockdep_assert_held(&node->lock);
	if (queue_delayed_work(dmu_workqueue, &node->nospace_work,
			       msecs_to_jiffies(DMU_NOSPACE_MS)))
		kref_get(&node->ref);
}

static void dmu_node_nospace_work(struct work_struct *work)
{
	struct dmu_node *node = container_of(to_delayed_work(work), struct dmu_node, nospace_work);

	spin_lock_bh(&node->lock);
	list_splice_tail_init(&node->nospace, &node->released);
	spin_unlock_bh(&node->lock);
	dmu_fence_release(node);
	dmu_node_put(node);
}

/* Fail the requests that have waited too long for the first daemon; rearm for the next one. */
static void dmu_node_end_grace(struct dmu_node *node)
{
	unsigned int ms, failed = dmu_request_fail_queued(node);
	struct dmu_request *req;
	unsigned long end, left;

	spin_lock_bh(&node->lock);
	ms = node->config.grace_ms;
	req = list_first_entry_or_null(&node->requests, struct dmu_request, age);
	if (req && dmu_node_in_grace(node)) {
		end = dmu_node_grace_end(node, req->born);
		left = time_after(end, jiffies) ? end - jiffies : 0;
		dmu_node_rearm(node, jiffies_to_msecs(left));
	}
	spin_unlock_bh(&node->lock);
	if (failed) {
		DMERR_LIMIT("%s: no daemon has come for %u ms: I/O fails", node->name, ms);
		dmu_node_event(node);
	}
}

static void dmu_node_nodaemon_work(struct work_struct *work)
{
	struct dmu_node *node = container_of(to_delayed_work(work), struct dmu_node, nodaemon_work);
	bool failing, grace;
	unsigned int ms;

	spin_lock_bh(&node->lock);
	grace = dmu_node_in_grace(node) && !node->dead;
	/* If the work is pending again, a new time without a daemon has begun, and is not over. */
	failing = !grace && !node->has_daemon && !node->dead && node->config.nodaemon_fail &&
		  !delayed_work_pending(&node->nodaemon_work);
	node->failing = failing;
	ms = node->config.nodaemon_ms;
	spin_unlock_bh(&node->lock);
	if (grace) {
		dmu_node_end_grace(node);
	} else if (failing) {
		DMERR_LIMIT("%s: no daemon for %u ms: I/O fails until there is one",
			    node->name, ms);
		dmu_request_fail_queued(node);
		dmu_node_event(node);
	}
	dmu_node_put(node);
}

/*
 * After a change of channels, generations or policy, find out whether a daemon serves. A time
 * without a daemon begins when the last daemon leaves, and again if @anew is set.
 */
static void __dmu_node_watch(struct dmu_node *node, bool anew)
{
	struct dmu_generation *generation;
	bool had;

	lockdep_assert_held(&node->lock);
	had = node->has_daemon || anew;
	node->has_daemon = false;
	/* The newest generation is the last, and most likely serves. */
	list_for_each_entry_reverse(generation, &node->generations, list) {
		if (generation->channels && generation->state == DM_USER_SERVING) {
			node->has_daemon = true;
			break;
		}
	}
	node->had_daemon |= node->has_daemon;
	if (node->has_daemon || !node->config.nodaemon_fail) {
		node->failing = false;
	} else if (dmu_node_in_grace(node)) {
		/* Work that is pending may be of another policy. */
		node->failing = false;
		if (anew)
			dmu_node_rearm(node, node->config.grace_ms);
	} else if (!node->failing && (had || !delayed_work_pending(&node->nodaemon_work))) {
		dmu_node_rearm(node, node->config.nodaemon_ms);
	}
}

/* Call this in the same hold of the lock as the change. */
void dmu_node_watch(struct dmu_node *node)
{
	__dmu_node_watch(node, false);
}

/* True if the seal changed: the caller then calls dmu_node_event(), without the lock. */
bool dmu_node_mark_sealed(struct dmu_node *node, bool sealed)
{
	bool changed = node->sealed != sealed;

	lockdep_assert_held(&node->lock);
	node->sealed = sealed;
	return changed;
}

/* A seal only refuses further opens of the node; open channels stay. */
void dmu_node_set_sealed(struct dmu_node *node, bool sealed)
{
	bool changed;

	spin_lock_bh(&node->lock);
	changed = dmu_node_mark_sealed(node, sealed);
	spin_unlock_bh(&node->lock);
	if (changed)
		dmu_node_event(node);
}

/* May @from, or a process without a channel (NULL), create a channel? 0 or -errno. */
static int dmu_node_check_admission(struct dmu_node *node, const struct dmu_channel *from)
{
	lockdep_assert_held(&node->lock);
	if (node->dead)
		return -ENOTBLK;
	if (from)
		return from->generation->state == DM_USER_SERVING ? 0 : -ESHUTDOWN;
	return node->sealed ? -EPERM : 0;
}

/*
 * Create a channel of generation 0 for a new file, on behalf of the channel @from or, if that is
 * NULL, of an open of the node. 0, -ENOMEM, -ENOTBLK; -ESHUTDOWN if @from drains, -EPERM if the
 * node is sealed. May sleep, but not for I/O.
 */
int dmu_channel_create(struct dmu_node *node, const struct dmu_channel *from,
		       struct dmu_channel **result)
{
	struct dmu_channel *channel;
	int ret;

	/* Not GFP_KERNEL: reclaim may wait for the daemon that attaches. */
	channel = kzalloc(sizeof(*channel), GFP_NOIO | __GFP_ACCOUNT);
	if (!channel)
		return -ENOMEM;
	mutex_init(&channel->read.mutex);
	mutex_init(&channel->write.mutex);
	spin_lock_init(&channel->lock);
	channel->claims = RB_ROOT;
	channel->node = node;

	spin_lock_bh(&node->lock);
	ret = dmu_node_check_admission(node, from);
	if (ret) {
		spin_unlock_bh(&node->lock);
		kfree(channel);
		return ret;
	}
	channel->generation = &node->unjoined;
	channel->drains = node->unjoined.drains;
	channel->passed = !!from;
	node->unjoined.channels++;
	node->channel_count++;
	dmu_node_watch(node);
	spin_unlock_bh(&node->lock);

	kref_get(&node->ref);
	dmu_node_event(node);
	*result = channel;
	return 0;
}

/* The last reference to the file is gone: no read, write or poll is in progress. */
void dmu_channel_destroy(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;

	dmu_request_orphan_all(channel);
	spin_lock_bh(&channel->lock);
	if (channel->spare)
		dmu_claim_free(channel, channel->spare);
	spin_unlock_bh(&channel->lock);
	dmu_node_event(node);
	dmu_node_put(node);
	kfree(channel);
}

/* open() of the node. It must not take dmu_registry_lock, see dmu_registry_enter(). */
int dmu_node_open(struct inode *inode, struct file *file)
{
	struct dmu_channel *channel;
	struct dmu_node *node;
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	/* A process that cannot write would keep requests; one that cannot read is no daemon. */
	if ((file->f_flags & O_ACCMODE) != O_RDWR)
		return -EINVAL;
	node = dmu_device_find(inode->i_rdev);
	if (!node)
		return -ENODEV;
	ret = dmu_channel_create(node, NULL, &channel);
	if (ret == -EPERM)
		DMWARN_LIMIT("%s: sealed, open by %s[%d] refused", node->name, current->comm,
			     task_pid_nr(current));
	if (!ret)
		dmu_channel_setup_file(file, channel);
	dmu_node_put(node);
	return ret;
}

static void dmu_node_configure(struct dmu_node *node, const struct dmu_target *target)
{
	const struct dm_target *ti = target->ti;
	unsigned int i;

	node->config = target->config;
	node->config.row = NULL;
	node->config.ctl = NULL;
	node->start = ti->begin;
	node->sectors = ti->len;
	for (i = 0; i < target->config.backing_count; i++)
		node->backing_sectors[i] = bdev_nr_sectors(target->backings[i]->bdev);
	node->read_only = !(dm_table_get_mode(ti->table) & DMU_MODE_WRITE);
}

/* @node's name is free and no lookup finds it: tell processes that have it open. May sleep. */
static void dmu_node_kill(struct dmu_node *node)
{
	spin_lock_bh(&node->lock);
	node->dead = true;
	spin_unlock_bh(&node->lock);
	dmu_node_wake_all(node);
	if (cancel_delayed_work_sync(&node->nodaemon_work))
		dmu_node_put(node);
	if (cancel_delayed_work_sync(&node->nospace_work))
		dmu_node_put(node);
}

/*
 * Configured by @target's row, so that a daemon that opens the node before the first resume finds
 * the configuration to come, unless another row replaces this one before that.
 */
static struct dmu_node *dmu_node_create(const struct dmu_target *target, char **error)
{
	struct mapped_device *md = dm_table_get_md(target->ti->table);
	struct dmu_node *node;
	int ret;

	*error = "Cannot allocate memory";
	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return ERR_PTR(-ENOMEM);
	node->name = kasprintf(GFP_KERNEL, DMU_NODE_DIR "%s", target->config.ctl);
	if (target->config.extents_max)
		node->extents = dmu_extents_create(target->config.extents_max);
	ret = -ENOMEM;
	if (!node->name || (target->config.extents_max && !node->extents))
		goto err_free;
	kref_init(&node->ref);
	mutex_init(&node->targets_lock);
	INIT_LIST_HEAD(&node->targets);
	init_waitqueue_head(&node->readers);
	init_waitqueue_head(&node->pollers);
	spin_lock_init(&node->lock);
	INIT_LIST_HEAD(&node->requests);
	INIT_LIST_HEAD(&node->queue);
	INIT_LIST_HEAD(&node->released);
	INIT_LIST_HEAD(&node->nospace);
	INIT_LIST_HEAD(&node->blocking);
	node->fence_tree = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&node->generations);
	list_add(&node->unjoined.list, &node->generations);
	INIT_WORK(&node->event_work, dmu_node_event_work);
	init_llist_head(&node->submits);
	INIT_WORK(&node->submit_work, dmu_node_submit_work);
	INIT_DELAYED_WORK(&node->nodaemon_work, dmu_node_nodaemon_work);
	INIT_DELAYED_WORK(&node->nospace_work, dmu_node_nospace_work);
	dmu_node_configure(node, target);
	node->md = md;
	node->dev = disk_devt(dm_disk(md));
	if (target->config.mapped) {
		ret = dmu_extents_begin(node);
		if (ret == -EINVAL)
			*error = "mapped: the backing device is too small";
		if (ret)
			goto err_free;
		/* No daemon has been there. */
		node->clean = true;
	}

	ret = dmu_device_add(node);
	if (ret) {
		*error = ret == -EBUSY ? "No device number is left for the control node" :
					 "Cannot make the control node's device";
		/* A process may have opened an older file of its number, and hold the node. */
		dmu_node_kill(node);
		dmu_node_put(node);
		return ERR_PTR(ret);
	}
	list_add(&node->list, &dmu_nodes);
	return node;

err_free:
	dmu_extents_free(node->extents);
	kfree(node->name);
	kfree(node);
	return ERR_PTR(ret);
}

static struct dmu_node *dmu_node_find(const char *ctl)
{
	struct dmu_node *node;

	lockdep_assert_held(&dmu_registry_lock);
	list_for_each_entry(node, &dmu_nodes, list)
		if (!strcmp(node->name + strlen(DMU_NODE_DIR), ctl))
			return node;
	return NULL;
}

/* May @target share @node with the tables that name it already? */
static int dmu_node_check_share(struct dmu_node *node, const struct dmu_target *target,
				char **error)
{
	const struct dmu_target *other;

	lockdep_assert_held(&node->targets_lock);
	if (node->md != dm_table_get_md(target->ti->table)) {
		*error = "Control node name is in use by another device";
		return -EEXIST;
	}
	list_for_each_entry(other, &node->targets, list) {
		if (other->ti->table == target->ti->table) {
			*error = "Control node name is used twice in one table";
			return -EEXIST;
		}
	}
	if (!node->extents != !target->config.extents_max ||
	    (node->extents && !dmu_config_same_backings(&node->config, &target->config))) {
		*error = "extents: and its backing: cannot change in a reload";
		return -EINVAL;
	}
	if (node->live && !dmu_config_same_limits(&node->live->config, &target->config)) {
		*error = "Operations, block sizes and max_io cannot change in a reload";
		return -EINVAL;
	}
	/* Daemons know where the row begins, and requests that they hold are fenced by sector. */
	if (node->live && node->live->ti->begin != target->ti->begin) {
		*error = "The row cannot begin elsewhere in a reload";
		return -EINVAL;
	}
	return 0;
}

/* Find or create the node that @target's row names. dmu_node_detach() drops the reference. */
int dmu_node_attach(struct dmu_target *target, char **error)
{
	struct dmu_node *node;
	unsigned int noio;
	int ret = 0;

	noio = dmu_registry_enter();
	node = dmu_node_find(target->config.ctl);
	if (node) {
		mutex_lock(&node->targets_lock);
		ret = dmu_node_check_share(node, target, error);
		mutex_unlock(&node->targets_lock);
		if (ret)
			goto leave;
		kref_get(&node->ref);
	} else {
		node = dmu_node_create(target, error);
		if (IS_ERR(node)) {
			ret = PTR_ERR(node);
			goto leave;
		}
	}
	target->node = node;
	mutex_lock(&node->targets_lock);
	list_add(&target->list, &node->targets);
	mutex_unlock(&node->targets_lock);
leave:
	dmu_registry_leave(noio);
	return ret;
}

/*
 * DM calls the destructor after the table's last request has ended. True: this was the node's last
 * table, and something has passed the page cache of backing devices by.
 */
bool dmu_node_detach(struct dmu_target *target)
{
	struct dmu_node *node = target->node;
	bool last, bypassed;
	unsigned int noio;

	noio = dmu_registry_enter();
	mutex_lock(&node->targets_lock);
	list_del(&target->list);
	last = list_empty(&node->targets);
	if (node->live == target)
		node->live = NULL;
	mutex_unlock(&node->targets_lock);
	if (last) {
		list_del(&node->list);
		dmu_device_remove(node);
		dmu_node_kill(node);
	}
	dmu_registry_leave(noio);
	bypassed = last && node->extents && READ_ONCE(node->extents->bypassed);
	dmu_node_put(node);
	return bypassed;
}

/*
 * DM keeps the queue limits of a live device, whatever table it had, if the new table has no
 * devices below. Refuse blocks that are smaller than the row promises, and polling, which this
 * target cannot do.
 */
int dmu_node_check_queue(struct dmu_target *target)
{
	struct request_queue *queue = dm_disk(dm_table_get_md(target->ti->table))->queue;

	if (queue_logical_block_size(queue) < target->config.logical_block_size) {
		DMERR("%s: the live device has blocks of %u bytes, the table asks for %u",
		      target->node->name, queue_logical_block_size(queue),
		      target->config.logical_block_size);
		return -EINVAL;
	}
	if (!dmu_queue_stop_polling(queue)) {
		DMERR("%s: the live device offers polling, which this target cannot do",
		      target->node->name);
		return -EINVAL;
	}
	return 0;
}

/* @target's table becomes live. A time without a daemon begins anew. */
void dmu_node_activate(struct dmu_target *target)
{
	struct dmu_node *node = target->node;

	mutex_lock(&node->targets_lock);
	node->live = target;
	mutex_unlock(&node->targets_lock);
	spin_lock_bh(&node->lock);
	dmu_node_configure(node, target);
	node->suspended = false;
	node->failing = false;
	__dmu_node_watch(node, true);
	spin_unlock_bh(&node->lock);
	dmu_extents_fit(node->extents, target);
	dmu_pin_fit(node);
}
