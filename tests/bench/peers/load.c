// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The client, which costs little itself: O_DIRECT, by libaio. Each I/O that has ended begins anew
 * at once, so as many are in flight at the end of a batch as at its start, and no start or end of a
 * load is in the figures.
 */
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/fs.h>

#include "tests/bench/peers/peers.h"

#define DEPTH_MAX	64
#define CACHE_BYTES	(1U << 20)

struct run {
	const struct load *load;
	int fd;
	io_context_t aio;
	uint64_t blocks, next, random;
	char *bufs;
	struct iocb iocbs[DEPTH_MAX];
	struct iocb *due[DEPTH_MAX];		/* prepared, not yet submitted */
	unsigned int due_count;
};

uint64_t random_next(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static uint64_t run_block(struct run *run)
{
	if (!run->load->random)
		return run->next++ % run->blocks;
	return random_next(&run->random) % run->blocks;
}

static void run_begin(struct run *run, struct iocb *iocb)
{
	size_t len = run->load->bytes;
	char *buf = run->bufs + (iocb - run->iocbs) * len;
	long long offset = run_block(run) * len;

	if (run->load->write)
		io_prep_pwrite(iocb, run->fd, buf, len, offset);
	else
		io_prep_pread(iocb, run->fd, buf, len, offset);
	run->due[run->due_count++] = iocb;
}

/* NEED() alone would make the message for each I/O, also for a good one. */
static void run_check(bool good, const char *what, int err)
{
	if (!good)
		NEED(good, "%s: %s", what, strerror(err));
}

/* Submit what is due, wait for at least one I/O, and begin those anew that have ended: how many. */
static unsigned int run_turn(struct run *run)
{
	struct io_event events[DEPTH_MAX];
	unsigned int done = 0;
	int count;

	while (done < run->due_count) {
		count = io_submit(run->aio, run->due_count - done, run->due + done);
		run_check(count > 0, "io_submit", -count);
		done += count;
	}
	run->due_count = 0;
	count = io_getevents(run->aio, 1, run->load->depth, events, NULL);
	run_check(count > 0, "io_getevents", -count);
	for (int i = 0; i < count; i++) {
		run_check(events[i].res == run->load->bytes, "an I/O", -(long)events[i].res);
		if (run->load->sync && fsync(run->fd))
			run_check(false, "fsync", errno);
		run_begin(run, events[i].obj);
	}
	return count;
}

static void run_some(struct run *run, unsigned int ios)
{
	unsigned int ended = 0;

	while (ended < ios)
		ended += run_turn(run);
}

/* Context switches of all processes since boot. */
static uint64_t switches(void)
{
	static char text[65536];
	int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, text, sizeof(text) - 1);
	const char *at;

	close(fd);
	text[len > 0 ? len : 0] = '\0';
	at = strstr(text, "\nctxt ");
	NEED(at, "the switches in /proc/stat");
	return strtoull(at + 6, NULL, 10);
}

void load_batches(const char *device, const struct load *load, unsigned int ios,
		  struct batch *batches, unsigned int count)
{
	static struct run run;
	size_t len = (size_t)load->depth * load->bytes;
	uint64_t bytes, since, before;
	int err;

	run = (struct run){ .load = load, .random = RANDOM_SEED };
	NEED(load->depth >= 1 && load->depth <= DEPTH_MAX, "a depth up to %d", DEPTH_MAX);
	run.fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
	NEED(run.fd >= 0 && !ioctl(run.fd, BLKGETSIZE64, &bytes), "open %s: %s", device,
	     strerror(errno));
	run.blocks = bytes / load->bytes;
	run.bufs = abi_buffer(len);
	err = io_setup(load->depth, &run.aio);
	NEED(!err, "io_setup: %s", strerror(-err));
	for (unsigned int i = 0; i < load->depth; i++)
		run_begin(&run, &run.iocbs[i]);
	run_some(&run, ios / 2 + load->depth);
	for (unsigned int i = 0; i < count; i++) {
		before = switches();
		since = now_ns();
		run_some(&run, ios);
		batches[i].ns = (double)(now_ns() - since) / ios;
		batches[i].switches = (double)(switches() - before) / ios;
	}
	io_destroy(run.aio);
	free(run.bufs);
	close(run.fd);
}

void load_cache(const char *device)
{
	int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);
	void *buf = abi_buffer(CACHE_BYTES);
	uint64_t bytes;

	NEED(fd >= 0 && !ioctl(fd, BLKGETSIZE64, &bytes), "open %s: %s", device, strerror(errno));
	for (uint64_t at = 0; at < bytes && at < STORE_BYTES; at += CACHE_BYTES)
		NEED(pread(fd, buf, CACHE_BYTES, at) == CACHE_BYTES, "read %s", device);
	free(buf);
	close(fd);
}
