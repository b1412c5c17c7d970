// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An epoch: a target from its creation to its removal. At the end, all I/O must end, the counters
 * must add up, and the target must go.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "fuzz.h"

#define WAIT_MS		60000

struct fz_epoch fz_epoch;
static struct fz_thread *const self = &fz_main_thread;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* Bits 0-2 of @which: policy; 4-6: length; 8-10: limits, which no reload may change. */
void fz_epoch_row(char *row, size_t size, unsigned int which, uint64_t *sectors)
{
	const char *policy = "", *limits = fz_epoch.fixed;
	unsigned int count = 0;

	if ((which & 7) == 1)
		policy = " orphans:fail";
	else if ((which & 7) == 2)
		policy = " nodaemon:fail:0";
	else if ((which & 7) == 3)
		policy = " nodaemon:fail:3 orphans:fail";
	else if ((which & 7) == 4)
		policy = " nospace:wait";
	if ((which & 0x700) == 0x100)
		limits = " max_io:12288";
	*sectors = fz_epoch.sectors;
	if ((which & 0x70) == 0x10)
		*sectors /= 2;
	else if ((which & 0x70) == 0x20)
		*sectors *= 2;
	for (const char *at = policy; *at; at++)
		count += *at == ' ';
	for (const char *at = limits; *at; at++)
		count += *at == ' ';
	if (count)
		snprintf(row, size, "0 0 %s %u%s%s", FZ_CTL, count, limits, policy);
	else
		snprintf(row, size, "0 0 %s", FZ_CTL);
}

static void choose(uint64_t r)
{
	static const char *const max_io[] = { "", "", " max_io:4096", " max_io:8192",
					      " max_io:65536" };

	fz.block = r & 7 ? 1 : 8;
	fz_epoch.sectors = 256U << (r >> 3 & 1);
	fz_epoch.policies = !(r >> 4 & 3);
	fz_epoch.resizes = !(r >> 6 & 3);
	fz.sectors = fz_epoch.resizes ? 2 * fz_epoch.sectors : fz_epoch.sectors;
	snprintf(fz_epoch.fixed, sizeof(fz_epoch.fixed), "%s%s%s%s", max_io[(r >> 8) % 5],
		 fz.block == 8 ? " logical_block_size:4096" : "", r >> 16 & 3 ? "" : " discard:off",
		 r >> 18 & 1 ? " secure_erase:on" : "");
	if (fz_epoch.resizes)
		fz.excused = true;
	/* With little I/O in flight, the model knows more often what a read must find. */
	fz_epoch.ios = (const unsigned int[]){ 2, 4, 12, FZ_IOS }[r >> 20 & 3];
	fz_epoch.hot = r >> 22 & 1 ? 24 : 4;
}

static void need(int err, const char *what)
{
	if (err)
		fz_broken(self, "P11: %s: %d", what, err);
}

void fz_epoch_begin(void)
{
	uint64_t sectors;
	char row[256], dev[32];

	fz_model_reset();
	choose(fz_mix(fz.epoch_seed + 1));
	need(fz_dm_create(self), "create");
	fz_epoch_row(row, sizeof(row), 0, &sectors);
	need(fz_dm_load(self, sectors, "user", row), "load");
	need(fz_dm_resume(self, 0), "resume");
	snprintf(dev, sizeof(dev), "/dev/dm-%d", fz_dm_minor(self));
	for (unsigned int i = 0; i < 1000 && access(dev, F_OK); i++)
		usleep(1000);
	fz_client_open(dev);
}

/* ---- the end ---- */

static void close_all(void)
{
	for (unsigned int i = 0; i < FZ_CHANNELS; i++)
		fz_channel_close(self, &fz_channels[i]);
}

static void wait_for_client(const char *what)
{
	uint64_t end = now_ms() + WAIT_MS;

	for (fz_client_reap(self); fz_client_in_flight(); fz_client_reap(self)) {
		if (now_ms() > end)
			fz_broken(self, "P1: %u requests never ended, %s", fz_client_in_flight(),
				  what);
		usleep(1000);
	}
}

/* Some channels answer the requests that they hold, the others close with theirs. */
static void channels_finish(uint64_t r)
{
	for (unsigned int i = 0; i < FZ_CHANNELS; i++) {
		struct fz_channel *c = &fz_channels[i];

		if (c->state == FZ_OPEN && !c->crowd && !c->forgot && r >> i & 1) {
			/* A failed read may have left it with a request of which it got no byte. */
			for (unsigned int n = 0; n < 4 && fz_read(self, c, FZ_WHOLE, 0) > 0; n++)
				;
			while (!c->dead && fz_answer_one(self, c, 0, DM_USER_RESP_SUCCESS))
				;
			if (!c->dead && !c->in_header && !c->held_count)
				continue;
		}
		fz_channel_close(self, c);
	}
}

/* Open the channel of a good daemon of a new generation. Returns its slot; -1: there is no node. */
static int open_settler(void)
{
	struct dm_user_join join = { .flags = DM_USER_JOIN_CREATE };
	struct dm_user_info info;
	int fd, slot;

	fz_dm_message(self, "unseal");
	fd = open("/dev/dm-user/" FZ_CTL, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	slot = fz_channel_add(self, fd);
	if (slot < 0)
		fz_broken(self, "no free channel at the end");
	if (ioctl(fd, DM_USER_IOC_INFO, &info))
		return -1;
	join.generation = info.newest_generation + 1;
	need(ioctl(fd, DM_USER_IOC_JOIN, &join), "join at the end");
	return slot;
}

static uint64_t word(const char *status, const char *key)
{
	const char *at = strstr(status, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : ~0ULL;
}

static void check_count(const char *status, const char *key, uint64_t want, bool exact)
{
	uint64_t got = word(status, key);

	if (exact ? got != want : got > want)
		fz_broken(self, "P12: %s%" PRIu64 " where it must be %s%" PRIu64 ": %s", key, got,
			  exact ? "" : "at most ", want, status);
}

/* The target does not count answers to revoked requests. */
static void check_counters(void)
{
	bool exact = !fz.revoked && !fz.loose;
	char status[1024];

	if (fz_dm_status(self, status, sizeof(status)) || !strstr(status, "queued:") || fz.wiped)
		return;
	check_count(status, "queued:", 0, true);
	check_count(status, "held:", 0, true);
	check_count(status, "fenced:", 0, true);
	check_count(status, "refused:", fz.refused, true);
	check_count(status, "reads:", fz.answered[DM_USER_REQ_MAP_READ], exact);
	check_count(status, "writes:", fz.answered[DM_USER_REQ_MAP_WRITE], exact);
	check_count(status, "flushes:", fz.answered[DM_USER_REQ_MAP_FLUSH], exact);
	check_count(status, "discards:", fz.answered[DM_USER_REQ_MAP_DISCARD], exact);
	check_count(status, "errors:", fz.errors, exact);
	check_count(status, "unsupported:", fz.unsupported, exact);
	if (!exact || fz.excused)
		return;
	check_count(status, "failed:", 0, true);
	if (word(status, "reads:") + word(status, "writes:") + word(status, "flushes:") +
	    word(status, "discards:") + word(status, "secure_erases:") +
	    word(status, "write_zeroes:") != fz.seq_max)
		fz_broken(self, "P12: %" PRIu64 " requests, but another number of answers: %s",
			  fz.seq_max, status);
}

/* Every request is answered, or returns when its channel closes. None may remain. */
static void settle(uint64_t r)
{
	uint64_t end = now_ms() + WAIT_MS;
	struct fz_channel *c;
	int slot;

	/* Without an inactive table, a resume revokes nothing. */
	fz_dm_clear(self);
	fz_dm_resume(self, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG);
	channels_finish(r);
	slot = open_settler();
	if (slot < 0)
		return;
	c = &fz_channels[slot];
	for (fz_client_reap(self); fz_client_in_flight(); fz_client_reap(self)) {
		ssize_t n = fz_read(self, c, FZ_WHOLE, 0);

		if (n == -EAGAIN)
			sched_yield();
		while (!c->dead && !c->in_header && fz_answer_one(self, c, 0, DM_USER_RESP_SUCCESS))
			;
		if (now_ms() > end)
			fz_broken(self, "P1: %u requests are lost: no channel holds them",
				  fz_client_in_flight());
	}
	check_counters();
}

/* The open channels must report that the target is gone. */
static void check_dead(void)
{
	struct fz_thread *t = self;

	for (unsigned int i = 0; i < FZ_CHANNELS; i++) {
		struct fz_channel *c = &fz_channels[i];
		struct dm_user_message m = { 0 };
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		ssize_t n;

		if (c->state != FZ_OPEN)
			continue;
		t->ops += 4;
		n = preadv2(c->fd, &(struct iovec){ &m, sizeof(m) }, 1, -1, RWF_NOWAIT);
		if (n < 0 && errno == ECANCELED)
			n = preadv2(c->fd, &(struct iovec){ &m, sizeof(m) }, 1, -1, RWF_NOWAIT);
		if (n >= 0 || errno != ENOTBLK)
			fz_broken(t, "P11: a read after the end gave %zd (%m)", n);
		n = write(c->fd, &m, sizeof(m));
		if (n >= 0 || errno != ENOTBLK)
			fz_broken(t, "P11: a write after the end gave %zd (%m)", n);
		poll(&p, 1, 0);
		if ((p.revents & (POLLERR | POLLHUP)) != (POLLERR | POLLHUP))
			fz_broken(t, "P11: poll after the end gave %#x", p.revents);
	}
}

static void check_module(void)
{
	FILE *in;
	int count = -1;

	/* A file is released a moment after its descriptor. */
	for (unsigned int i = 0; i < 1000 && count; i++) {
		in = fopen("/sys/module/dm_user/refcnt", "r");
		if (!in || fscanf(in, "%d", &count) != 1)
			fz_stuck("the module's count of references");
		fclose(in);
		if (count)
			usleep(1000);
	}
	if (count)
		fz_broken(self, "P11: the module has %d references after the end", count);
}

void fz_epoch_end(void)
{
	uint64_t r = fz_mix(fz.epoch_seed + 2);

	if (r & 3)
		settle(r >> 8);
	if (r & 4)
		close_all();
	need(fz_dm_wipe(self), "the last table");
	wait_for_client("not even by the end of their target");
	check_dead();
	fz_client_close();
	/* Helpers hold the device open only during a call, and all calls have ended. */
	need(fz_dm_remove(self), "remove");
	close_all();
	check_module();
}
