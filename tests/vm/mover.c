// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mover NAME DISK MOVES: a daemon that moves data under load. Device NAME has extents on DISK. The
 * daemon moves halves of blocks to free places of the disk: it removes the extent, waits for what
 * was mapped (SYNC), copies, and maps the half to its new place. Requests that come meanwhile it
 * remaps. Threads write and read whole blocks, and check each byte. Fails at the first wrong one.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/dmuser.h"

#define BLOCK		4096U
#define BLOCKS		16U
#define HALF		4U			/* sectors */
#define HALVES		(BLOCKS * 2)
#define PLACES		(HALVES * 4)		/* on the disk, of a half each */
#define THREADS		4U
#define WORDS		(BLOCK / sizeof(uint64_t))
#define RW		(DM_USER_EXTENT_READ | DM_USER_EXTENT_WRITE)

static const char *name;
static atomic_bool stop;
static atomic_ulong ios;
static atomic_uint running = THREADS;
static unsigned int place_of[HALVES];
static bool taken[PLACES];

#define die(...)							\
	do {								\
		fprintf(stderr, "mover: " __VA_ARGS__);			\
		fprintf(stderr, ": %s\n", strerror(errno));		\
		_exit(1);						\
	} while (0)

static void *aligned(void)
{
	void *buf = aligned_alloc(BLOCK, BLOCK);

	if (!buf)
		die("memory");
	return buf;
}

/* Write or read random blocks of those that are this thread's alone. */
static void *client(void *arg)
{
	const unsigned int self = (unsigned int)(uintptr_t)arg;
	unsigned int seed = self, block, i;
	uint64_t version[BLOCKS] = { 0 };
	uint64_t *buf = aligned();
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		die("open %s", path);
	while (!atomic_load(&stop)) {
		block = (unsigned int)rand_r(&seed) % (BLOCKS / THREADS) * THREADS + self;
		if (!version[block] || rand_r(&seed) % 2) {
			version[block]++;
			for (i = 0; i < WORDS; i++)
				buf[i] = (version[block] << 32) + block * WORDS + i;
			if (pwrite(fd, buf, BLOCK, block * (off_t)BLOCK) != BLOCK)
				die("write");
		} else {
			if (pread(fd, buf, BLOCK, block * (off_t)BLOCK) != BLOCK)
				die("read");
			for (i = 0; i < WORDS; i++)
				if (buf[i] != (version[block] << 32) + block * WORDS + i)
					die("block %u, word %u: version %u, not %u", block, i,
					    (unsigned int)(buf[i] >> 32),
					    (unsigned int)version[block]);
		}
		atomic_fetch_add(&ios, 1);
	}
	close(fd);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void map(int channel, unsigned int half, unsigned int flags)
{
	const struct dm_user_extent extent = {
		.sector = half * HALF, .len = HALF, .flags = flags,
		.target = flags ? place_of[half] * HALF : 0,
	};

	if (dmu_channel_map(channel, &extent, 1, NULL))
		die("map");
}

/* Answer what has come: each request is of one half, whose place is known. */
static void answer(int channel)
{
	static char payload[HALF * 512];
	struct dm_user_message message;
	size_t left;
	ssize_t n;

	while ((n = read(channel, &message, sizeof(message))) == sizeof(message)) {
		left = message.type == DM_USER_REQ_MAP_WRITE ? message.len : 0;
		for (; left; left -= (size_t)n) {
			n = read(channel, payload, left < sizeof(payload) ? left : sizeof(payload));
			if (n <= 0)
				die("read a payload");
		}
		message.type = DM_USER_RESP_REMAP;
		message.flags = 0;
		message.sector = place_of[message.sector / HALF] * HALF;
		if (write(channel, &message, sizeof(message)) != sizeof(message))
			die("answer");
	}
	if (n >= 0 || errno != EAGAIN)
		die("read a request");
}

static void move(int channel, int disk, void *buf)
{
	unsigned int half = (unsigned int)rand() % HALVES, to;

	do {
		to = (unsigned int)rand() % PLACES;
	} while (taken[to]);
	map(channel, half, 0);
	if (dmu_channel_sync(channel))
		die("sync");
	if (pread(disk, buf, HALF * 512, place_of[half] * HALF * 512) != HALF * 512 ||
	    pwrite(disk, buf, HALF * 512, to * HALF * 512) != HALF * 512)
		die("copy");
	taken[place_of[half]] = false;
	taken[to] = true;
	place_of[half] = to;
	map(channel, half, RW);
	answer(channel);
}

int main(int argc, char **argv)
{
	unsigned int moves = argc == 4 ? (unsigned int)atoi(argv[3]) : 0, i;
	pthread_t threads[THREADS];
	void *buf = aligned();
	int channel, disk;

	if (!moves)
		return 2;
	name = argv[1];
	channel = dmu_channel_open(name);
	disk = open(argv[2], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (channel < 0 || disk < 0 || fcntl(channel, F_SETFL, O_NONBLOCK))
		die("open");
	for (i = 0; i < HALVES; i++) {
		place_of[i] = i;
		taken[i] = true;
		map(channel, i, RW);
	}
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, client, (void *)(uintptr_t)i))
			die("a thread");
	while (moves--)
		move(channel, disk, buf);
	atomic_store(&stop, true);
	while (atomic_load(&running))
		answer(channel);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%lu blocks written or read, none wrong\n", atomic_load(&ios));
	return 0;
}
