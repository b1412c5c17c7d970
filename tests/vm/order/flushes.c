// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flushes -d DEVICE -l LOG -o EVENTS [-s MIB] [-n MARKS]: threads write stamped blocks of a
 * device, each thread its own, make them durable, note that in the file EVENTS, and put a mark
 * into the dm-log-writes device with the name LOG, which is somewhere below. They end after
 * MARKS marks, or on SIGTERM.
 *
 * Even threads are direct, odd threads buffered. Blocks become durable by fsync, or by a write with
 * RWF_DSYNC; other blocks are written and left. EVENTS.marks has the number of marks so far.
 *
 * dm-log-writes gives the writes that a flush covers to the first flush that arrives, and logs
 * them when that flush ends. With two generations, a flush of the newcomer may overtake a flush
 * of the old daemon: the log then has writes after a mark that were durable before it. So no
 * mark is put while two generations may have a flush in flight.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dm.h"
#include "events.h"
#include "stamp.h"

#define THREADS		4
#define BATCH		8

struct worker {
	pthread_t thread;
	unsigned int number, seed;
	int fd;
	uint32_t *versions;
	void *buf;
	struct event dirty[2 * BATCH];	/* written since the last flush */
	unsigned int dirty_count;
};

static struct worker workers[THREADS];
static uint32_t blocks_each;
static const char *log_name, *device_name;
static unsigned int marks_wanted = UINT32_MAX;
static atomic_bool stop, failed;

/* Guards the file and the marks, and the order of both. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *events;
static uint32_t marks;
static int status_fd;

static void complain(const char *what)
{
	fprintf(stderr, "flushes: %s: %s\n", what, strerror(errno));
	failed = true;
	stop = true;
}

static bool worker_write(struct worker *w, int flags, struct event *event)
{
	uint32_t at = rand_r(&w->seed) % blocks_each, number = w->number * blocks_each + at;
	struct iovec iov = { .iov_base = w->buf, .iov_len = STAMP_BLOCK };

	stamp_put(w->buf, number, ++w->versions[at]);
	if (pwritev2(w->fd, &iov, 1, (off_t)number * STAMP_BLOCK, flags) != STAMP_BLOCK) {
		complain("write");
		return false;
	}
	*event = (struct event){ .block = number, .value = w->versions[at] };
	return true;
}

/* Generation 0 does not count: no daemon reads its channels. */
static bool two_serve(void)
{
	char text[1024], state[16], *word, *rest = text;
	unsigned int number, count = 0;

	if (dm_status(device_name, text, sizeof(text)))
		return false;
	while ((word = strsep(&rest, " ")))
		if (sscanf(word, "gen:%u,%15[^,]", &number, state) == 2)
			count += number && strcmp(state, "drained");
	return count > 1;
}

/* Note that the versions in @list are durable now, and put a mark after them. */
static void note(const struct event *list, unsigned int count)
{
	struct event mark = { .block = EVENT_MARK };
	char text[64];
	int err;

	while (two_serve())
		poll(NULL, 0, 1);
	pthread_mutex_lock(&lock);
	mark.value = ++marks;
	if (fwrite(list, sizeof(*list), count, events) != count ||
	    fwrite(&mark, sizeof(mark), 1, events) != 1)
		complain("events");
	snprintf(text, sizeof(text), "mark " EVENT_MARK_PREFIX "%u", marks);
	err = dm_message(log_name, text);
	if (err) {
		errno = -err;
		complain("mark");
	}
	snprintf(text, sizeof(text), "%10u\n", marks);
	if (pwrite(status_fd, text, strlen(text), 0) < 0)
		complain("status");
	if (marks >= marks_wanted)
		stop = true;
	pthread_mutex_unlock(&lock);
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	struct event event;

	while (!stop) {
		unsigned int batch = 1 + rand_r(&w->seed) % BATCH;

		/* A durable write makes only itself durable. */
		if (rand_r(&w->seed) % 4 == 0) {
			if (worker_write(w, RWF_DSYNC, &event))
				note(&event, 1);
			continue;
		}
		while (batch-- && !stop && w->dirty_count < 2 * BATCH)
			w->dirty_count += worker_write(w, 0, &w->dirty[w->dirty_count]);
		if (w->dirty_count < 2 * BATCH && rand_r(&w->seed) % 4 == 0)
			continue;
		if (fsync(w->fd)) {
			complain("fsync");
			break;
		}
		note(w->dirty, w->dirty_count);
		w->dirty_count = 0;
	}
	return NULL;
}

static void on_term(int number)
{
	stop = true;
}

static int start(const char *device)
{
	for (unsigned int i = 0; i < THREADS; i++) {
		struct worker *w = &workers[i];

		w->number = i;
		w->seed = i + 1;
		w->versions = calloc(blocks_each, sizeof(*w->versions));
		w->buf = aligned_alloc(STAMP_BLOCK, STAMP_BLOCK);
		w->fd = open(device, O_RDWR | O_CLOEXEC | (i & 1 ? 0 : O_DIRECT));
		if (!w->versions || !w->buf || w->fd < 0)
			return -errno;
		if (pthread_create(&w->thread, NULL, worker_run, w))
			return -EAGAIN;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *device = NULL, *path = NULL;
	unsigned int mib = 4;
	char status[256];
	int option, err;

	while ((option = getopt(argc, argv, "d:l:o:s:n:")) != -1) {
		switch (option) {
		case 'd':
			device = optarg;
			break;
		case 'l':
			log_name = optarg;
			break;
		case 'o':
			path = optarg;
			break;
		case 's':
			mib = atoi(optarg);
			break;
		case 'n':
			marks_wanted = atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (!device || !log_name || !path || !mib)
		return 2;
	device_name = strrchr(device, '/') ? strrchr(device, '/') + 1 : device;
	snprintf(status, sizeof(status), "%s.marks", path);
	signal(SIGTERM, on_term);
	events = fopen(path, "we");
	status_fd = open(status, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	blocks_each = (mib << 20) / STAMP_BLOCK / THREADS;
	err = events && status_fd >= 0 ? start(device) : -errno;
	if (err) {
		fprintf(stderr, "flushes: %s\n", strerror(-err));
		return 1;
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	if (fclose(events))
		complain("events");
	printf("flushes: %u marks\n", marks);
	return failed;
}
