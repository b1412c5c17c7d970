// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * slowstore CTL MIB MAX_MS: serve a dm-user device from memory, like a disk whose queue
 * reorders. Half of the writes are done at once, the others after up to MAX_MS milliseconds,
 * each at its own time. A later write of a block can overtake an earlier write that is still in
 * flight: a client that has both in flight loses one of them.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"

#define WAITING_MAX	512

struct waiting {
	struct dm_user_message message;
	void *payload;
	uint64_t due_us;
};

static struct waiting waiting[WAITING_MAX];
static unsigned int count;
static uint8_t *store;
static int fd;

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

static int carry_out(const struct dm_user_message *message, const void *payload)
{
	uint8_t *at = store + message->sector * 512;

	if (message->type == DM_USER_REQ_MAP_WRITE)
		memcpy(at, payload, message->len);
	else if (message->type != DM_USER_REQ_MAP_READ && message->type != DM_USER_REQ_MAP_FLUSH)
		memset(at, 0, message->len);
	return daemon_answer(fd, message, DM_USER_RESP_SUCCESS, at);
}

static int take(unsigned int max_ms)
{
	static uint8_t payload[DAEMON_MAX_IO];
	struct dm_user_message message;
	struct waiting *w;
	int err;

	err = daemon_take(fd, &message, payload);
	if (err)
		return err;
	if (message.type != DM_USER_REQ_MAP_WRITE || rand() % 2 || count == WAITING_MAX)
		return carry_out(&message, payload);
	w = &waiting[count];
	w->payload = malloc(message.len);
	if (!w->payload)
		return -ENOMEM;
	memcpy(w->payload, payload, message.len);
	w->message = message;
	w->due_us = now_us() + rand() % (max_ms * 1000);
	count++;
	return 0;
}

/* Do the writes that are due. Returns the time until the next is due, in ms; -1: none waits. */
static int due(int *err)
{
	uint64_t now = now_us(), next = UINT64_MAX;

	for (unsigned int i = 0; i < count && !*err;) {
		struct waiting *w = &waiting[i];

		if (w->due_us > now) {
			next = w->due_us < next ? w->due_us : next;
			i++;
			continue;
		}
		*err = carry_out(&w->message, w->payload);
		free(w->payload);
		*w = waiting[--count];
	}
	return next == UINT64_MAX ? -1 : (int)((next - now) / 1000 + 1);
}

int main(int argc, char **argv)
{
	struct pollfd pollfd = { .events = POLLIN };
	int err = 0, timeout;

	if (argc != 4 || atoi(argv[3]) <= 0) {
		fprintf(stderr, "usage: slowstore CTL MIB MAX_MS\n");
		return 2;
	}
	store = mmap(NULL, (size_t)atoi(argv[2]) << 20, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	fd = daemon_open(argv[1]);
	if (store == MAP_FAILED || fd < 0) {
		fprintf(stderr, "slowstore: %s\n", strerror(fd < 0 ? -fd : errno));
		return 1;
	}
	pollfd.fd = fd;
	while (!err) {
		timeout = due(&err);
		if (!err && poll(&pollfd, 1, timeout) > 0)
			err = take(atoi(argv[3]));
	}
	if (err != -ENOTBLK)
		fprintf(stderr, "slowstore: %s\n", strerror(-err));
	return err != -ENOTBLK;
}
