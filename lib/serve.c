// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The serve loop: one thread a channel, with one request at a time. dmu_server_create() makes all
 * that a thread needs. Afterwards a thread reads, calls the backend, writes, and waits on a futex,
 * so it can go on under confinement and without a page to allocate.
 *
 * This file starts, stops, resumes and ends the threads; request.c serves the requests.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/server.h"

#define MAX_PAYLOAD	(64U << 20)	/* bytes; the kernel's requests are far smaller */
#define PAGE		4096U
#ifndef STACK_BYTES		/* sanitizers want more */
#define STACK_BYTES	DMU_SERVER_STACK_BYTES
#endif

/* ---- the default transport ---- */

/* #syscalls io: read poll */
static ssize_t channel_read(int fd, void *buf, size_t len)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	for (;;) {
		n = read(fd, buf, len);
		if (n >= 0)
			return n;
		if (errno != EAGAIN)
			return -errno;
		/* Another process has made the channel non-blocking. */
		poll(&pollfd, 1, -1);
	}
}

/* #syscalls io: writev */
static ssize_t channel_writev(int fd, const struct iovec *iov, int count)
{
	ssize_t n = writev(fd, iov, count);

	return n < 0 ? -errno : n;
}

static const struct dmu_transport channel_transport = {
	.abi = DMU_ABI,
	.read = channel_read,
	.writev = channel_writev,
};

/* ---- a thread's life ---- */

/*
 * A failed thread's channel holds requests that the thread has not answered. Close it, so that the
 * kernel gives them to the other channels. Its number stays taken, so that no later descriptor is
 * mistaken for it.
 *
 * #syscalls io: dup3
 */
static void worker_give_up(struct worker *worker)
{
	if (dup3(worker->server->event_fd, worker->fd, O_CLOEXEC) == worker->fd)
		worker->given_up = true;
}

/* The thread has left the loop with @rc. Called with server->lock held. */
static void worker_left(struct worker *worker, int rc)
{
	struct dmu_server *server = worker->server;

	worker->loose = false;
	worker->failed = rc != 0;
	if (rc == -ENOTBLK || !server->result)
		server->result = rc;
	server->running--;
	/* The last channel stays open: the process decides what happens next. */
	if (rc && rc != -ENOTBLK && server->running)
		worker_give_up(worker);
	/* Fails only if 2^64 - 2 events are unread. */
	eventfd_write(server->event_fd, 1);
}

/* Run server_ask()'s call. Called with server->lock held, so by one thread at a time. */
static void worker_call(struct worker *worker)
{
	struct dmu_server *server = worker->server;
	int rc = server->call(server->call_arg);

	if (!server->call_result)
		server->call_result = rc;
	worker->asked = false;
	if (!--server->unanswered)
		pthread_cond_broadcast(&server->changed);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct dmu_server *server = worker->server;
	unsigned int epoch;
	char name[16];
	int rc;

	snprintf(name, sizeof(name), "dmu-serve/%u", (unsigned int)(worker - server->workers));
	prctl(PR_SET_NAME, name, 0, 0, 0);

	pthread_mutex_lock(&server->lock);
	server->arrived++;
	pthread_cond_broadcast(&server->changed);
	for (;;) {
		while (!worker->loose && !server->quitting) {
			if (worker->asked)
				worker_call(worker);
			else
				pthread_cond_wait(&server->changed, &server->lock);
		}
		if (server->quitting)
			break;
		epoch = server->epoch;
		pthread_mutex_unlock(&server->lock);
		rc = dmu_worker_serve(worker);
		pthread_mutex_lock(&server->lock);
		/*
		 * If the epoch differs, a resume came after this thread looked, perhaps between its
		 * read and the lock, and no other would wake it: read again. If the generation does
		 * drain, the next read returns 0.
		 */
		if (rc || epoch == server->epoch)
			worker_left(worker, rc);
	}
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

/* ---- create and destroy ---- */

/*
 * One mapping holds a thread's memory, populated from the start: guard page, stack, a page for the
 * message, payload (page-aligned for direct I/O).
 */
static int worker_map(struct worker *worker, size_t max_io_bytes)
{
	size_t payload = (max_io_bytes + PAGE - 1) / PAGE * PAGE;
	char *map;

	worker->map_len = PAGE + STACK_BYTES + PAGE + payload;
	map = mmap(NULL, worker->map_len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	worker->map = map;
	if (mprotect(map, PAGE, PROT_NONE))
		return -errno;
	worker->stack = map + PAGE;
	worker->message = (struct dm_user_message *)(map + PAGE + STACK_BYTES);
	worker->payload = map + PAGE + STACK_BYTES + PAGE;
	return 0;
}

static int worker_start(struct worker *worker)
{
	pthread_attr_t attr;
	int rc;

	rc = pthread_attr_init(&attr);
	if (rc)
		return -rc;
	rc = pthread_attr_setstack(&attr, worker->stack, STACK_BYTES);
	if (!rc)
		rc = pthread_create(&worker->thread, &attr, worker_main, worker);
	pthread_attr_destroy(&attr);
	return -rc;
}

/* End the threads [0, started) and free everything but the channels. */
static void server_free(struct dmu_server *server, unsigned int started)
{
	unsigned int i;

	pthread_mutex_lock(&server->lock);
	server->quitting = true;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
	for (i = 0; i < started; i++)
		pthread_join(server->workers[i].thread, NULL);
	for (i = 0; i < server->count; i++) {
		if (server->workers[i].map)
			munmap(server->workers[i].map, server->workers[i].map_len);
	}
	if (server->event_fd >= 0)
		close(server->event_fd);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

/* The new threads block all signals: the calling thread handles them. */
static int start_all(struct dmu_server *server, unsigned int *started)
{
	sigset_t all, before;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!rc && *started < server->count) {
		rc = worker_start(&server->workers[*started]);
		if (!rc)
			++*started;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return rc;
	/* A thread that is still starting makes system calls that a confinement forbids. */
	pthread_mutex_lock(&server->lock);
	while (server->arrived < server->count)
		pthread_cond_wait(&server->changed, &server->lock);
	pthread_mutex_unlock(&server->lock);
	return 0;
}

static void server_init(struct dmu_server *server, const struct dmu_server_config *config)
{
	unsigned int i;

	server->transport = config->transport ? config->transport : &channel_transport;
	server->ops = config->ops;
	server->backend = config->backend;
	server->max_io_bytes = config->max_io_bytes;
	server->remaps = config->remaps;
	server->ops->geometry(server->backend, &server->geometry);
	server->sectors = server->geometry.size / DMU_SECTOR;
	if (server->sectors > config->sectors)
		server->sectors = config->sectors;
	server->count = config->channel_count;
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->changed, NULL);
	for (i = 0; i < server->count; i++) {
		server->workers[i].server = server;
		server->workers[i].fd = config->channels[i];
	}
}

int dmu_server_create(struct dmu_server **out, const struct dmu_server_config *config)
{
	unsigned int i, started = 0;
	struct dmu_server *server;
	int rc = 0;

	if (!config->channel_count || !config->max_io_bytes || config->max_io_bytes > MAX_PAYLOAD)
		return -EINVAL;
	if (config->ops->abi != DMU_ABI || !config->ops->geometry || !config->ops->read ||
	    (config->transport && config->transport->abi != DMU_ABI))
		return -EINVAL;
	server = calloc(1, sizeof(*server) + config->channel_count * sizeof(server->workers[0]));
	if (!server)
		return -ENOMEM;
	server_init(server, config);
	server->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->event_fd < 0)
		rc = -errno;
	for (i = 0; !rc && i < server->count; i++)
		rc = worker_map(&server->workers[i], server->max_io_bytes);
	if (!rc)
		rc = start_all(server, &started);
	if (rc) {
		server_free(server, started);
		return rc;
	}
	*out = server;
	return 0;
}

int dmu_server_destroy(struct dmu_server *server)
{
	unsigned int i, count = server->count;
	int fds[count];

	if (dmu_server_running(server))
		return -EBUSY;
	for (i = 0; i < count; i++)
		fds[i] = server->workers[i].fd;
	server_free(server, count);
	/* Last: a close gives up the channel's requests, so no backend call may be in progress. */
	for (i = 0; i < count; i++)
		close(fds[i]);
	return 0;
}

/* ---- control ---- */

/* Let the first @count threads run @call. */
static int server_ask(struct dmu_server *server, unsigned int count, int (*call)(void *arg),
		      void *arg)
{
	unsigned int i;
	int rc = -EBUSY;

	pthread_mutex_lock(&server->lock);
	if (!server->gone) {
		server->call = call;
		server->call_arg = arg;
		server->call_result = 0;
		server->unanswered = count;
		for (i = 0; i < count; i++)
			server->workers[i].asked = true;
		pthread_cond_broadcast(&server->changed);
		while (server->unanswered)
			pthread_cond_wait(&server->changed, &server->lock);
		rc = server->call_result;
	}
	pthread_mutex_unlock(&server->lock);
	return rc;
}

int dmu_server_each(struct dmu_server *server, int (*call)(void *arg), void *arg)
{
	return server_ask(server, server->count, call, arg);
}

int dmu_server_call(struct dmu_server *server, int (*call)(void *arg), void *arg)
{
	return server_ask(server, 1, call, arg);
}

void dmu_server_go(struct dmu_server *server)
{
	unsigned int i;

	pthread_mutex_lock(&server->lock);
	if (!server->gone) {
		server->gone = true;
		server->running = server->count;
		for (i = 0; i < server->count; i++)
			server->workers[i].loose = true;
		pthread_cond_broadcast(&server->changed);
	}
	pthread_mutex_unlock(&server->lock);
}

void dmu_server_resume(struct dmu_server *server)
{
	unsigned int i;

	pthread_mutex_lock(&server->lock);
	server->epoch++;
	for (i = 0; server->gone && i < server->count; i++) {
		struct worker *worker = &server->workers[i];

		if (worker->loose || worker->failed)
			continue;
		worker->loose = true;
		server->running++;
	}
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

int dmu_server_event_fd(const struct dmu_server *server)
{
	return server->event_fd;
}

/* #syscalls both: futex */
unsigned int dmu_server_running(const struct dmu_server *server)
{
	struct dmu_server *locked = (struct dmu_server *)server;
	unsigned int running;

	pthread_mutex_lock(&locked->lock);
	running = server->running;
	pthread_mutex_unlock(&locked->lock);
	return running;
}

int dmu_server_result(const struct dmu_server *server)
{
	struct dmu_server *locked = (struct dmu_server *)server;
	int result;

	pthread_mutex_lock(&locked->lock);
	result = server->result;
	pthread_mutex_unlock(&locked->lock);
	return result;
}

int dmu_server_channel(const struct dmu_server *server)
{
	struct dmu_server *locked = (struct dmu_server *)server;
	unsigned int i;

	pthread_mutex_lock(&locked->lock);
	for (i = 0; i < server->count && server->workers[i].given_up; i++)
		;
	pthread_mutex_unlock(&locked->lock);
	return server->workers[i < server->count ? i : 0].fd;
}

void dmu_server_stats(const struct dmu_server *server, struct dmu_server_stats *stats)
{
	unsigned int i, type;

	memset(stats, 0, sizeof(*stats));
	for (i = 0; i < server->count; i++) {
		const struct counters *from = &server->workers[i].counters;
		uint64_t first = atomic_load_explicit(&from->first_answer_ms, memory_order_relaxed);
		uint64_t seq = atomic_load_explicit(&from->last_seq, memory_order_relaxed);

		for (type = 0; type < DMU_TYPES; type++)
			stats->requests[type] +=
				atomic_load_explicit(&from->requests[type], memory_order_relaxed);
		stats->errors += atomic_load_explicit(&from->errors, memory_order_relaxed);
		stats->unsupported +=
			atomic_load_explicit(&from->unsupported, memory_order_relaxed);
		stats->bytes_read += atomic_load_explicit(&from->bytes_read, memory_order_relaxed);
		stats->bytes_written +=
			atomic_load_explicit(&from->bytes_written, memory_order_relaxed);
		if (seq > stats->last_seq)
			stats->last_seq = seq;
		if (first && (!stats->first_answer_ms || first < stats->first_answer_ms))
			stats->first_answer_ms = first;
	}
}
