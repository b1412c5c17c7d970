// SPDX-License-Identifier: GPL-2.0
/* The stream: read(), write() and poll() of a channel, as the ABI header defines them. */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "dmu.h"

#define DM_MSG_PREFIX "user"

static bool dmu_iocb_nowait(const struct kiocb *iocb)
{
	return (iocb->ki_flags & IOCB_NOWAIT) || (iocb->ki_filp->f_flags & O_NONBLOCK);
}

/* ---- turns ---- */

/* True if another caller has its turn. The end of that turn then wakes pollers. */
static bool dmu_turn_taken(struct dmu_turn *turn)
{
	if (!mutex_is_locked(&turn->mutex))
		return false;
	WRITE_ONCE(turn->wanted, true);
	/* Pairs with dmu_turn_end(): the owner sees wanted, or this caller sees the mutex free. */
	smp_mb();
	return mutex_is_locked(&turn->mutex);
}

/* 0, -ERESTARTSYS, or with @nowait -EAGAIN. */
static int dmu_turn_begin(struct dmu_turn *turn, bool nowait)
{
	if (!nowait)
		return mutex_lock_interruptible(&turn->mutex) ? -ERESTARTSYS : 0;
	do {
		if (mutex_trylock(&turn->mutex))
			return 0;
	} while (!dmu_turn_taken(turn));
	return -EAGAIN;
}

static void dmu_turn_end(struct dmu_turn *turn, struct dmu_node *node, __poll_t events)
{
	mutex_unlock(&turn->mutex);
	/* Pairs with dmu_turn_taken(). */
	smp_mb();
	if (!READ_ONCE(turn->wanted))
		return;
	WRITE_ONCE(turn->wanted, false);
	__wake_up(&node->pollers, TASK_NORMAL, 0, poll_to_key(events));
}

/* ---- read ---- */

/* Like finish_wait(). True if a wake-up has hit @wait since the caller last prepared to wait. */
static bool dmu_finish_wait(struct wait_queue_head *readers, struct wait_queue_entry *wait)
{
	bool woken;

	__set_current_state(TASK_RUNNING);
	spin_lock_irq(&readers->lock);
	woken = list_empty(&wait->entry);
	list_del_init(&wait->entry);
	spin_unlock_irq(&readers->lock);
	return woken;
}

/* Wait for a request and claim it. Returns as dmu_request_claim(), or -ERESTARTSYS. */
static int dmu_channel_wait(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;
	DEFINE_WAIT(wait);
	bool woken;
	int ret;

	for (;;) {
		prepare_to_wait_exclusive(&node->readers, &wait, TASK_INTERRUPTIBLE);
		/* Before the claim: a reader that is to stop or to die would keep the request. */
		ret = signal_pending(current) ? -ERESTARTSYS : dmu_request_claim(channel);
		if (ret != -EAGAIN)
			break;
		schedule();
	}
	/*
	 * One request wakes one reader. If it woke this reader, but this one leaves or had already
	 * found another request, wake another reader.
	 */
	woken = dmu_finish_wait(&node->readers, &wait);
	if ((woken || ret <= 0) && !list_empty_careful(&node->queue))
		wake_up_interruptible(&node->readers);
	return ret;
}

static int dmu_channel_next(struct dmu_channel *channel, bool nowait)
{
	int ret;

	ret = dmu_request_prepare_claim(channel);
	if (ret)
		return ret;
	ret = dmu_request_claim(channel);
	if (ret != -EAGAIN || nowait)
		return ret;
	return dmu_channel_wait(channel);
}

/* Copy the rest of the header; page faults are off. */
static size_t dmu_send_header(struct dmu_channel *channel, struct iov_iter *to)
{
	struct dm_user_message msg = channel->out->msg;

	return copy_to_iter((char *)&msg + channel->sent, sizeof(msg) - channel->sent, to);
}

/* Copy more of the payload, at most a page; page faults are off. */
static size_t dmu_send_payload(struct dmu_channel *channel, struct iov_iter *to)
{
	struct bio *bio = channel->out->req->bio;
	struct bio_vec bv = bio_iter_iovec(bio, channel->out_iter);
	size_t n;

	/* The page may have another mapping, and the cache may be virtually indexed. */
	flush_dcache_page(bv.bv_page);
	n = copy_page_to_iter(bv.bv_page, bv.bv_offset, bv.bv_len, to);
	bio_advance_iter_single(bio, &channel->out_iter, n);
	return n;
}

/*
 * Copy the next *@n bytes of a message to the reader. 1: more is due in this read; 0: the header or
 * the message is complete; -ECANCELED: the message has been revoked.
 */
static int dmu_send_step(struct dmu_channel *channel, struct iov_iter *to, size_t *n)
{
	const size_t header = sizeof(struct dm_user_message);
	struct dmu_claim *claim = channel->out;
	bool in_header;
	size_t total;

	lockdep_assert_held(&channel->lock);
	*n = 0;
	if (!claim)
		return -ECANCELED;
	in_header = channel->sent < header;
	total = header;
	if (claim->msg.type == DM_USER_REQ_MAP_WRITE)
		total += claim->msg.len;

	pagefault_disable();
	if (in_header)
		*n = dmu_send_header(channel, to);
	else
		*n = dmu_send_payload(channel, to);
	pagefault_enable();

	channel->sent += *n;
	if (channel->sent == total) {
		dmu_request_sent(channel);
		return 0;
	}
	return !in_header || channel->sent != header;
}

static ssize_t dmu_channel_send(struct dmu_channel *channel, struct iov_iter *to)
{
	ssize_t total = 0;
	size_t n;
	int ret;

	for (;;) {
		spin_lock_bh(&channel->lock);
		ret = dmu_send_step(channel, to, &n);
		total += n;
		spin_unlock_bh(&channel->lock);
		if (ret <= 0 || !iov_iter_count(to))
			break;
		if (!n) {
			size_t size = min_t(size_t, iov_iter_count(to), PAGE_SIZE);

			/* Not signal_pending(), which is true for io_uring's task work, too. */
			if (task_sigpending(current))
				ret = -EINTR;
			else if (fault_in_iov_iter_writeable(to, size) == size)
				ret = -EFAULT;
			if (ret < 0)
				break;
		}
		cond_resched();
	}
	return total ?: min(ret, 0);
}

/*
 * Read the next message or the rest of the last one. A request that is revoked before its first
 * byte is read has never existed for the daemon.
 */
static ssize_t dmu_channel_read_message(struct dmu_channel *channel, struct iov_iter *to,
					bool nowait)
{
	ssize_t ret;
	bool busy;

	lockdep_assert_held(&channel->read.mutex);
	spin_lock_bh(&channel->lock);
	busy = channel->out || channel->canceled;
	spin_unlock_bh(&channel->lock);
	do {
		if (!busy) {
			ret = dmu_channel_next(channel, nowait);
			if (ret <= 0)
				return ret;
		}
		ret = dmu_channel_send(channel, to);
		if (ret >= 0)
			return ret;
		/* Only the reader changes channel->sent. */
		if (channel->sent) {
			if (ret == -ECANCELED)
				dmu_request_dismiss(channel);
			return ret;
		}
		dmu_request_give_back(channel);
		busy = false;
	} while (ret == -ECANCELED);
	return ret;
}

static ssize_t dmu_channel_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct dmu_channel *channel = iocb->ki_filp->private_data;
	bool nowait = dmu_iocb_nowait(iocb);
	ssize_t ret;

	if (!iov_iter_count(to))
		return 0;
	ret = dmu_turn_begin(&channel->read, nowait);
	if (ret)
		return ret;
	ret = dmu_channel_read_message(channel, to, nowait);
	dmu_turn_end(&channel->read, channel->node, EPOLLIN | EPOLLRDNORM);
	return ret;
}

/* ---- write ---- */

/* Take the next *@n bytes of an answer's payload. 1: more is due; 0: it is complete. */
static int dmu_receive_step(struct dmu_channel *channel, struct iov_iter *from, size_t *n)
{
	struct dmu_claim *claim = channel->in;

	lockdep_assert_held(&channel->lock);
	if (claim->req) {
		struct bio *bio = claim->req->bio;
		struct bio_vec bv = bio_iter_iovec(bio, channel->in_iter);

		pagefault_disable();
		*n = copy_page_from_iter(bv.bv_page, bv.bv_offset, bv.bv_len, from);
		pagefault_enable();
		flush_dcache_page(bv.bv_page);
		bio_advance_iter_single(bio, &channel->in_iter, *n);
	} else {
		/* Revoked: swallow the payload. */
		*n = min(iov_iter_count(from), channel->in_left);
		iov_iter_advance(from, *n);
	}
	channel->in_left -= *n;
	return channel->in_left != 0;
}

/* Take the payload of the answer to channel->in, as far as @from goes. */
static ssize_t dmu_channel_receive(struct dmu_channel *channel, struct iov_iter *from)
{
	struct dmu_claim *claim = channel->in;
	ssize_t total = 0;
	size_t n;
	int ret = 1;

	while (iov_iter_count(from)) {
		spin_lock_bh(&channel->lock);
		ret = dmu_receive_step(channel, from, &n);
		spin_unlock_bh(&channel->lock);
		total += n;
		if (!ret)
			break;
		if (!n && iov_iter_count(from)) {
			size_t size = min_t(size_t, iov_iter_count(from), PAGE_SIZE);

			if (task_sigpending(current))
				ret = -EINTR;
			else if (fault_in_iov_iter_readable(from, size) == size)
				ret = -EFAULT;
			if (ret < 0)
				break;
		}
		cond_resched();
	}
	if (!ret)
		dmu_request_answer(channel, claim, DM_USER_RESP_SUCCESS);
	return total ?: min(ret, 0);
}

/*
 * Take the header of an answer, as far as @from goes. Returns the bytes consumed or -errno. *@claim
 * is set once the header is complete and right.
 */
static ssize_t dmu_channel_receive_header(struct dmu_channel *channel, struct iov_iter *from,
					  struct dmu_claim **claim)
{
	const size_t header = sizeof(channel->answer);
	size_t n;

	*claim = NULL;
	n = copy_from_iter((char *)&channel->answer + channel->answer_len,
			   header - channel->answer_len, from);
	if (!n)
		return -EFAULT;
	channel->answer_len += n;
	if (channel->answer_len < header)
		return n;
	channel->answer_len = 0;
	*claim = dmu_request_begin_answer(channel, &channel->answer);
	if (!*claim) {
		DMWARN_LIMIT("%s: answer to request %llu refused: not held by this channel",
			     channel->node->name, channel->answer.seq);
		return -EINVAL;
	}
	return n;
}

static ssize_t dmu_channel_write_locked(struct dmu_channel *channel, struct iov_iter *from)
{
	struct dmu_claim *claim;
	ssize_t ret, payload;

	lockdep_assert_held(&channel->write.mutex);
	if (channel->in)
		return dmu_channel_receive(channel, from);
	ret = dmu_channel_receive_header(channel, from, &claim);
	if (ret < 0 || !claim)
		return ret;
	if (!channel->in) {
		if (channel->answer.type == DM_USER_RESP_REMAP && channel->node->extents)
			dmu_request_remap(channel, claim, &channel->answer);
		else
			dmu_request_answer(channel, claim, channel->answer.type);
		return ret;
	}
	payload = dmu_channel_receive(channel, from);
	return payload > 0 ? ret + payload : ret;
}

static ssize_t dmu_channel_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct dmu_channel *channel = iocb->ki_filp->private_data;
	struct dmu_node *node = channel->node;
	bool dead;
	ssize_t ret;

	if (!iov_iter_count(from))
		return 0;
	ret = dmu_turn_begin(&channel->write, dmu_iocb_nowait(iocb));
	if (ret)
		return ret;
	spin_lock_bh(&node->lock);
	dead = node->dead;
	spin_unlock_bh(&node->lock);
	ret = dead ? -ENOTBLK : dmu_channel_write_locked(channel, from);
	dmu_turn_end(&channel->write, node, EPOLLOUT | EPOLLWRNORM);
	return ret;
}

/* ---- poll, open, close ---- */

static __poll_t dmu_channel_poll(struct file *file, poll_table *wait)
{
	struct dmu_channel *channel = file->private_data;
	struct dmu_node *node = channel->node;
	__poll_t mask = 0;

	poll_wait(file, &node->pollers, wait);
	if (!dmu_turn_taken(&channel->write))
		mask |= EPOLLOUT | EPOLLWRNORM;
	spin_lock_bh(&node->lock);
	if (dmu_request_available(channel))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (node->dead)
		mask |= EPOLLERR | EPOLLHUP;
	if (channel->generation->state != DM_USER_SERVING)
		mask |= EPOLLRDHUP;
	if (channel->generation->state == DM_USER_DRAINED)
		mask |= EPOLLHUP;
	spin_lock(&channel->lock);
	if (channel->out || channel->canceled)
		mask |= EPOLLIN | EPOLLRDNORM;
	spin_unlock(&channel->lock);
	spin_unlock_bh(&node->lock);
	if (dmu_turn_taken(&channel->read))
		mask &= ~(EPOLLIN | EPOLLRDNORM);
	return mask;
}

static int dmu_channel_release(struct inode *inode, struct file *file)
{
	dmu_channel_destroy(file->private_data);
	return 0;
}

/* Make @file, which has dmu_channel_fops and is not in use yet, a file of @channel. */
void dmu_channel_setup_file(struct file *file, struct dmu_channel *channel)
{
	file->private_data = channel;
	/* A file without a position, so without lseek() and pread(). */
	stream_open(file_inode(file), file);
	/* read and write honour IOCB_NOWAIT, so io_uring needs no worker thread. */
	file->f_mode |= FMODE_NOWAIT;
}

/* Also used for the files of DM_USER_IOC_OPEN, which never go through open. */
const struct file_operations dmu_channel_fops = {
	.owner = THIS_MODULE,
	.open = dmu_node_open,
	.release = dmu_channel_release,
	.read_iter = dmu_channel_read,
	.write_iter = dmu_channel_write,
	.poll = dmu_channel_poll,
	.unlocked_ioctl = dmu_channel_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
