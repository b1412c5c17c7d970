// SPDX-License-Identifier: GPL-2.0-or-later
/* Many threads that do I/O. Each has its own blocks, so it knows their content. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/vm/scale/scale.h"

#define DEVICES		8
#define SERVERS		4
#define BLOCK		4096
#define BLOCKS		32	/* of one thread */
#define RUN_MAX		4	/* blocks of one operation */

static struct target targets[DEVICES];
static uint8_t *stores[DEVICES];
static struct server servers[DEVICES][SERVERS];

static struct user {
	pthread_t thread;
	unsigned int number, rounds;
	unsigned int versions[BLOCKS];	/* 0: never written */
} users[SCALE_THREADS];

static uint64_t tag(const struct user *user, unsigned int block)
{
	return ((uint64_t)user->versions[block] << 32) + (user->number << 8) + block;
}

static void user_write(struct user *user, int fd, uint8_t *buf, unsigned int first, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		user->versions[first + i]++;
		abi_fill(buf + i * BLOCK, BLOCK, tag(user, first + i));
	}
	IS(pwrite(fd, buf, n * BLOCK, (off_t)(user->number / DEVICES * BLOCKS + first) * BLOCK),
	   n * BLOCK, "write of thread %u", user->number);
}

static void user_read(struct user *user, int fd, uint8_t *buf, unsigned int first, unsigned int n)
{
	memset(buf, 0xee, n * BLOCK);
	IS(pread(fd, buf, n * BLOCK, (off_t)(user->number / DEVICES * BLOCKS + first) * BLOCK),
	   n * BLOCK, "read of thread %u", user->number);
	for (unsigned int i = 0; i < n; i++)
		if (user->versions[first + i])
			OK(abi_filled(buf + i * BLOCK, BLOCK, tag(user, first + i)),
			   "thread %u, block %u, version %u", user->number, first + i,
			   user->versions[first + i]);
}

static void *user_main(void *arg)
{
	uint8_t *buf = abi_buffer(RUN_MAX * BLOCK);
	struct user *user = arg;
	unsigned int seed = user->number;
	int fd = open(targets[user->number % DEVICES].dev, O_RDWR | O_DIRECT | O_CLOEXEC);

	NEED(fd >= 0, "open the device: %s", strerror(errno));
	for (unsigned int i = 0; i < user->rounds; i++) {
		unsigned int n = 1 + rand_r(&seed) % RUN_MAX;
		unsigned int first = rand_r(&seed) % (BLOCKS - RUN_MAX);

		if (rand_r(&seed) % 2)
			user_write(user, fd, buf, first, n);
		else
			user_read(user, fd, buf, first, n);
	}
	for (unsigned int first = 0; first < BLOCKS; first += RUN_MAX)
		user_read(user, fd, buf, first, RUN_MAX);
	close(fd);
	free(buf);
	return NULL;
}

void scale_threads(unsigned int rounds)
{
	memset(servers, 0, sizeof(servers));
	memset(users, 0, sizeof(users));
	for (unsigned int d = 0; d < DEVICES; d++) {
		scale_target(&targets[d], d);
		stores[d] = abi_buffer(ABI_SECTORS * 512);
		for (unsigned int s = 0; s < SERVERS; s++)
			server_start(&servers[d][s], ch_need(&targets[d]), stores[d]);
	}
	for (unsigned int i = 0; i < SCALE_THREADS; i++) {
		users[i].number = i;
		users[i].rounds = rounds;
		NEED(!pthread_create(&users[i].thread, NULL, user_main, &users[i]), "a thread");
	}
	for (unsigned int i = 0; i < SCALE_THREADS; i++)
		pthread_join(users[i].thread, NULL);
	for (unsigned int d = 0; d < DEVICES; d++) {
		IS(dm_word(targets[d].name, "errors:"), 0, "errors");
		IS(dm_word(targets[d].name, "failed:"), 0, "failed");
		IS(ch_drain(servers[d][0].fd, 0, NULL), 0, "drain");
		for (unsigned int s = 0; s < SERVERS; s++) {
			IS(server_join(&servers[d][s]), 0, "the daemon ends");
			close(servers[d][s].fd);
		}
		target_remove(&targets[d]);
		free(stores[d]);
	}
}
