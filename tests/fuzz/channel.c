// SPDX-License-Identifier: GPL-2.0-or-later
/* Channels: their users, and everything but the stream. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

struct fz_channel fz_channels[FZ_CHANNELS];
static int null_fd;

void fz_channel_init(void)
{
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (unsigned int i = 0; i < FZ_CHANNELS; i++) {
		struct fz_channel *c = &fz_channels[i];

		c->payload = mmap(NULL, 2 * (FZ_IO_BYTES + FZ_PAGE), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (c->payload == MAP_FAILED || null_fd < 0)
			fz_stuck("channels");
		c->image = c->payload + FZ_IO_BYTES + FZ_PAGE;
	}
}

struct fz_channel *fz_channel_get(struct fz_thread *t, unsigned int wish)
{
	struct fz_channel *c, *found = NULL;

	fz_lock();
	for (unsigned int i = 0; i < FZ_CHANNELS && !found; i++) {
		c = &fz_channels[(wish + i) % FZ_CHANNELS];
		if (c->state == FZ_OPEN && !c->gone) {
			c->users++;
			found = c;
		}
	}
	fz_unlock();
	return found;
}

/* If the channel's descriptor was replaced, its last user closes the replacement. */
void fz_channel_put(struct fz_channel *c)
{
	bool last;

	fz_lock();
	last = !--c->users && c->gone;
	if (last)
		c->state = FZ_CLOSING;
	fz_unlock();
	if (!last)
		return;
	close(c->fd);
	fz_lock();
	c->state = FZ_FREE;
	fz_unlock();
}

/* No thread begins to read or write a channel whose descriptor was replaced. */
static bool take_flag(const struct fz_channel *c, bool *flag)
{
	bool mine;

	fz_lock();
	mine = !*flag && !c->gone;
	if (mine)
		*flag = true;
	fz_unlock();
	return mine;
}

bool fz_channel_reading(struct fz_channel *c)
{
	return take_flag(c, &c->reading);
}

bool fz_channel_writing(struct fz_channel *c)
{
	return take_flag(c, &c->writing);
}

void fz_channel_done(bool *flag)
{
	fz_lock();
	*flag = false;
	fz_unlock();
}

/* Reserve a slot for a new channel, or return NULL. */
static struct fz_channel *channel_reserve(void)
{
	struct fz_channel *found = NULL;

	fz_lock();
	for (unsigned int i = 0; i < FZ_CHANNELS && !found; i++)
		if (fz_channels[i].state == FZ_FREE)
			found = &fz_channels[i];
	if (found)
		found->state = FZ_OPENING;
	fz_unlock();
	return found;
}

static void channel_set(struct fz_channel *c, int fd, unsigned int how, bool nonblock)
{
	uint8_t *payload = c->payload, *image = c->image;

	fz_lock();
	memset(c, 0, sizeof(*c));
	c->payload = payload;
	c->image = image;
	c->fd = fd;
	c->crowd = !(how & 6);
	c->slow = !(how & 0x30);
	c->nonblock = nonblock;
	c->state = fd < 0 ? FZ_FREE : FZ_OPEN;
	fz_unlock();
}

static void check_open(struct fz_thread *t, int err)
{
	/* EPERM: sealed. ENOENT, ENOTBLK and ENODEV: between two nodes. */
	if (err == EPERM || err == EINTR ||
	    ((err == ENOMEM || err == EMFILE || err == ENFILE) && t->failing) ||
	    (fz.wiped && (err == ENOENT || err == ENOTBLK || err == ENODEV)))
		return;
	fz_broken(t, "open of a control node: %s", strerror(err));
}

void fz_run_open(struct fz_thread *t, const struct fz_op *op)
{
	struct fz_channel *c = channel_reserve();
	bool nonblock = op->b & 1;
	int fd;

	if (!c)
		return;
	t->ops++;
	fd = open("/dev/dm-user/" FZ_CTL, O_RDWR | O_CLOEXEC | (nonblock ? O_NONBLOCK : 0));
	if (fd < 0)
		check_open(t, errno);
	channel_set(c, fd, op->b, nonblock);
}

int fz_channel_add(struct fz_thread *t, int fd)
{
	struct fz_channel *c = channel_reserve();

	if (!c)
		return -EMFILE;
	channel_set(c, fd, ~0U, true);
	return c - fz_channels;
}

/*
 * The channel must have no users; or, if @rude, no writer: other users find another file behind the
 * descriptor afterwards. A writer must end first: the store of its answer would come too late.
 */
static bool channel_begin_close(struct fz_channel *c, bool rude)
{
	bool mine;

	fz_lock();
	mine = c->state == FZ_OPEN && !c->gone && (!c->users || (rude && !c->writing));
	if (mine) {
		rude = c->users;
		c->held_count = 0;
		if (rude)
			c->gone = true;
		else
			c->state = FZ_CLOSING;
		c->users += rude;
	}
	fz_unlock();
	return mine;
}

static void close_channel(struct fz_thread *t, struct fz_channel *c, bool rude)
{
	if (!channel_begin_close(c, rude))
		return;
	t->ops++;
	if (c->gone) {
		dup2(null_fd, c->fd);
		fz_channel_put(c);
		return;
	}
	close(c->fd);
	fz_lock();
	c->state = FZ_FREE;
	fz_unlock();
}

void fz_channel_close(struct fz_thread *t, struct fz_channel *c)
{
	close_channel(t, c, false);
}

void fz_run_close(struct fz_thread *t, const struct fz_op *op)
{
	close_channel(t, &fz_channels[op->channel % FZ_CHANNELS], !(op->b & 3));
}

/* ---- ioctl ---- */

static int channel_ioctl(struct fz_thread *t, struct fz_channel *c, unsigned long command,
			 void *arg)
{
	int ret;

	t->ops++;
	ret = ioctl(c->fd, command, arg);
	if (ret < 0) {
		ret = -errno;
		if (ret == -ENOTBLK)
			c->dead = true;
		if (ret == -ENOTBLK && !fz.wiped)
			fz_broken(t, "P11: ENOTBLK from a node that still exists");
	}
	return ret;
}

void fz_run_new(struct fz_thread *t, const struct fz_op *op)
{
	struct fz_channel *c = fz_channel_get(t, op->channel), *fresh;
	struct dm_user_open open = { .flags = op->a % 16 == 1, .reserved = op->a % 16 == 2 };
	int fd;

	if (!c)
		return;
	fresh = channel_reserve();
	if (fresh) {
		fd = channel_ioctl(t, c, DM_USER_IOC_OPEN, &open);
		if (fd >= 0 && (open.flags || open.reserved))
			fz_broken(t, "open: an unknown flag was accepted");
		channel_set(fresh, fd, op->b, false);
	}
	fz_channel_put(c);
}

void fz_run_info(struct fz_thread *t, const struct fz_op *op)
{
	struct fz_channel *c = fz_channel_get(t, op->channel);
	struct dm_user_info info;

	if (!c)
		return;
	memset(&info, 0xee, sizeof(info));
	if (!channel_ioctl(t, c, DM_USER_IOC_INFO, &info)) {
		if (info.abi_version != DM_USER_ABI_VERSION || info.reserved[0] | info.reserved[1] |
		    info.reserved[2] | info.reserved[3] || !info.channels ||
		    info.channel_state > DM_USER_DRAINED)
			fz_broken(t, "info: version %u, state %u, %u channels, reserved %llx",
				  info.abi_version, info.channel_state, info.channels,
				  info.reserved[0]);
		if (info.channel_state != DM_USER_SERVING && !fz.drained)
			fz_broken(t, "info: a drain that was never requested");
	}
	fz_channel_put(c);
}

void fz_run_join(struct fz_thread *t, const struct fz_op *op)
{
	struct fz_channel *c = fz_channel_get(t, op->channel);
	struct dm_user_join join = { 0 };
	struct dm_user_info info;

	if (!c)
		return;
	if (!channel_ioctl(t, c, DM_USER_IOC_INFO, &info)) {
		join.flags = op->b & 1;
		join.generation = info.newest_generation + join.flags;
		if (op->a % 16 == 1)
			join.generation = fz_op_random(op);
		if (op->a % 16 == 2)
			join.flags |= 2;
		if (op->a % 16 == 3)
			join.reserved = 1;
		if (!channel_ioctl(t, c, DM_USER_IOC_JOIN, &join) &&
		    (join.flags & 2 || join.reserved))
			fz_broken(t, "join: an unknown flag was accepted");
	}
	fz_channel_put(c);
}

void fz_run_drain(struct fz_thread *t, const struct fz_op *op)
{
	struct fz_channel *c = fz_channel_get(t, op->channel);
	struct dm_user_drain drain = { .flags = op->b % 3 ? DM_USER_DRAIN_UNDO : 0 };
	int err;

	if (!c)
		return;
	if (op->a % 16 == 1)
		drain.flags |= 4;
	fz.drained = fz.drained || !drain.flags;
	err = channel_ioctl(t, c, DM_USER_IOC_DRAIN, &drain);
	if (!err && (drain.reserved || drain.state > DM_USER_DRAINED || drain.flags & 4))
		fz_broken(t, "drain: state %u", drain.state);
	if (!err && drain.state == DM_USER_DRAINED && drain.held)
		fz_broken(t, "P4: a drain is complete with %u requests held", drain.held);
	fz_channel_put(c);
}

void fz_run_seal(struct fz_thread *t, const struct fz_op *op)
{
	struct fz_channel *c = fz_channel_get(t, op->channel);

	if (!c)
		return;
	channel_ioctl(t, c, DM_USER_IOC_SEAL, NULL);
	fz_channel_put(c);
}

/* Wrong commands, and a right command with a wrong pointer. */
void fz_run_ioctl(struct fz_thread *t, const struct fz_op *op)
{
	static const unsigned long commands[] = { DM_USER_IOC_INFO, DM_USER_IOC_JOIN,
						  DM_USER_IOC_DRAIN, DM_USER_IOC_OPEN };
	struct fz_channel *c = fz_channel_get(t, op->channel);
	unsigned long command = commands[op->a % 4];
	int ret;

	if (!c)
		return;
	if (op->b & 1) {
		memset(t->scratch, op->b & 0x80 ? 0xff : 0, 256);
		ret = channel_ioctl(t, c, command ^ 1UL << (op->b >> 1) % 32, t->scratch);
	} else {
		ret = channel_ioctl(t, c, command, FZ_NOWHERE);
	}
	if (ret >= 0 || (op->b & 1 && ret != -ENOTTY))
		fz_broken(t, "a wrong ioctl returned %d", ret);
	fz_channel_put(c);
}

void fz_run_poll(struct fz_thread *t, const struct fz_op *op)
{
	struct fz_channel *c = fz_channel_get(t, op->channel);
	struct pollfd p = { .events = POLLIN | POLLOUT | POLLRDHUP };
	bool sleeps, alone;
	int n;

	if (!c)
		return;
	sleeps = !(op->b & 7) && fz_block_begin(t);
	if (sleeps)
		p.events = POLLIN;
	/* A write waits for nothing but another write. */
	alone = !sleeps && fz_channel_writing(c);
	p.fd = c->fd;
	t->ops++;
	n = poll(&p, 1, sleeps ? -1 : 0);
	if (sleeps)
		fz_block_end(t);
	if (alone)
		fz_channel_done(&c->writing);
	if (alone && n >= 0 && !c->gone && !(p.revents & POLLOUT))
		fz_broken(t, "poll: an answer would wait (%#x)", p.revents);
	if (p.revents & POLLERR && !fz.wiped)
		fz_broken(t, "P11: POLLERR from a target that still exists");
	if (p.revents & (POLLRDHUP | POLLHUP) && !fz.drained && !fz.wiped)
		fz_broken(t, "poll: a drain that was never requested (%#x)", p.revents);
	fz_channel_put(c);
}
