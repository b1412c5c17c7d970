// SPDX-License-Identifier: GPL-2.0-or-later
/* Many threads on one channel, and random calls. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "abi.h"

#define CROWD	4

struct crowd {
	int fd;
	pthread_t thread;
	unsigned int seed;
	atomic_bool *stop;
	uint64_t seen;
};

/* Read and answer on a channel that many threads share; each read() returns one READ request. */
static void *crowd_thread(void *arg)
{
	uint8_t *zero = abi_buffer(4096 + 40);
	struct crowd *c = arg;
	struct dm_user_message m;

	memset(zero, 0, 4096 + 40);
	while (ch_read(c->fd, &m, sizeof(m)) == sizeof(m)) {
		m.type = 0;
		memcpy(zero, &m, sizeof(m));
		IS(ch_write(c->fd, zero, 4096 + 40), 4096 + 40,
		   "write() takes an answer in one call");
		c->seen++;
	}
	free(zero);
	return NULL;
}

static void hostile_crowd(void)
{
	struct crowd crowd[CROWD];
	uint64_t seen = 0;
	struct target t;
	struct io *io[8];
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = (struct crowd){ .fd = fd };
		NEED(!pthread_create(&crowd[i].thread, NULL, crowd_thread, &crowd[i]),
		     "create a thread");
	}
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < 8; i++)
			io[i] = io_start(&t, IO_READ, i * 4096, 4096, 0);
		for (int i = 0; i < 8; i++)
			IS(io_end(io[i]), 0, "read %d", i);
	}
	IS(ch_drain(fd, 0, NULL), 0, "drain");
	for (int i = 0; i < CROWD; i++) {
		pthread_join(crowd[i].thread, NULL);
		seen += crowd[i].seen;
	}
	IS(seen, 40 * 8, "each request was read once");
}

/* A random call on a channel. */
static void fuzz_step(int fd, unsigned int *seed, uint8_t *buf)
{
	unsigned int len = rand_r(seed) % (rand_r(seed) % 4 ? 80 : 9000);
	struct dm_user_message *m = (void *)buf;

	switch (rand_r(seed) % 8) {
	case 0:
	case 1:
		ch_read(fd, buf, len);
		break;
	case 2:
		memset(buf, rand_r(seed), 80);
		ch_write(fd, buf, len);
		break;
	case 3:
	case 4:
		*m = (struct dm_user_message){ .seq = rand_r(seed) % 2000, .type = rand_r(seed) % 4,
					       .len = -1ULL >> rand_r(seed) % 64,
					       .sector = rand_r(seed) };
		ch_write(fd, buf, rand_r(seed) % 2 ? 40 : len);
		break;
	case 5:
		memset(buf, rand_r(seed) % 3 ? 0 : rand_r(seed), 256);
		/* Not OPEN, which fills the descriptor table, nor DRAIN, which ends the test. */
		ioctl(fd, _IOC(rand_r(seed) % 4, DM_USER_IOC_MAGIC,
			       rand_r(seed) % 2 ? 0x40 : 0x50, len % 256), buf);
		break;
	case 6:
		ch_poll(fd);
		break;
	default:
		ioctl(fd, DM_USER_IOC_INFO, buf);
		break;
	}
}

static void *fuzz_thread(void *arg)
{
	struct crowd *c = arg;
	uint8_t *buf = abi_buffer(16384);

	while (!*c->stop)
		fuzz_step(c->fd, &c->seed, buf);
	free(buf);
	return NULL;
}

static void hostile_fuzz(void)
{
	struct crowd crowd[CROWD];
	atomic_bool stop = false;
	struct io *io[16] = { 0 };
	unsigned int seed = 42;
	uint64_t ended = 0;
	struct target t;
	uint64_t end;

	target_create(&t, "max_io:8192");
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = (struct crowd){ .fd = i & 1 ? crowd[i - 1].fd : ch_need(&t), .seed = i,
					   .stop = &stop };
		ch_nonblock(crowd[i].fd, true);
		NEED(!pthread_create(&crowd[i].thread, NULL, fuzz_thread, &crowd[i]),
		     "create a thread");
	}
	end = abi_now_ms() + 3000;
	while (abi_now_ms() < end) {
		for (int i = 0; i < 16; i++) {
			if (io[i] && io[i]->done) {
				io_end(io[i]);
				io[i] = NULL;
				ended++;
			}
			if (!io[i])
				io[i] = io_start(&t, rand_r(&seed) % 2 ? IO_READ : IO_WRITE,
						 rand_r(&seed) % 64 * 4096,
						 4096 << rand_r(&seed) % 3, 1);
		}
		if (!(rand_r(&seed) % 20))
			IS(dm_message(t.name, "fail"), 0, "message fail");
		if (!(rand_r(&seed) % 40)) {
			IS(dm_suspend(t.name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG), 0, "suspend");
			IS(dm_resume(t.name, 0), 0, "resume");
		}
		abi_nap();
	}
	stop = true;
	for (int i = 0; i < CROWD; i++)
		pthread_join(crowd[i].thread, NULL);
	IS(dm_wipe(t.name), 0, "replace the table");
	for (int i = 0; i < 16; i++) {
		if (!io[i])
			continue;
		io_end(io[i]);
		ended++;
	}
	OK(ended > 16, "requests ended: %llu", (unsigned long long)ended);
	target_remove(&t);
}

const struct abi_test abi_hostile[] = {
	{ "crowd", hostile_crowd, "P1: many threads share one channel" },
	{ "fuzz", hostile_fuzz,
	  "P1, P10: after random calls every request ends once, and the device can be removed" },
	{ NULL, NULL, NULL }
};
