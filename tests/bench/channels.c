// SPDX-License-Identifier: GPL-2.0-or-later
/* Open channels, channels that threads read, and channels that a thread polls. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define EACH	512
#define MOST	1024

struct bench {
	struct target target;
	unsigned int n;
	int fds[MOST];
};

static void begin(struct bench *b, unsigned int n, bool join)
{
	target_create(&b->target, NULL);
	b->n = n;
	for (unsigned int i = 0; i < n; i++) {
		b->fds[i] = ch_need(&b->target);
		if (join)
			NEED(!ch_join(b->fds[i], 1, i ? 0 : DM_USER_JOIN_CREATE), "join");
	}
}

static double end(struct bench *b)
{
	for (unsigned int i = 0; i < b->n; i++)
		close(b->fds[i]);
	target_remove(&b->target);
	return bench_best();
}

static void open_batch(const struct bench *b, int *fds)
{
	for (int i = 0; i < BATCH; i++)
		fds[i] = ch_need(&b->target);
}

static void close_batch(const int *fds)
{
	for (int i = 0; i < BATCH; i++)
		close(fds[i]);
}

static double run_open(unsigned int n)
{
	int fds[BATCH];
	struct bench b;

	begin(&b, n, true);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since = bench_now();

		open_batch(&b, fds);
		bench_note(since, BATCH);
		close_batch(fds);
	}
	return end(&b);
}

static double run_close(unsigned int n)
{
	int fds[BATCH];
	struct bench b;

	begin(&b, n, true);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since;

		open_batch(&b, fds);
		since = bench_now();
		close_batch(fds);
		bench_note(since, BATCH);
	}
	return end(&b);
}

/* Every channel is a generation of its own. */
static double run_join(unsigned int n)
{
	int fds[BATCH];
	uint64_t number = 1;
	struct bench b;

	begin(&b, n, false);
	for (unsigned int i = 0; i < n; i++)
		NEED(!ch_join(b.fds[i], number++, DM_USER_JOIN_CREATE), "join");
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since;

		open_batch(&b, fds);
		since = bench_now();
		for (int j = 0; j < BATCH; j++)
			NEED(!ch_join(fds[j], number++, DM_USER_JOIN_CREATE), "join");
		bench_note(since, BATCH);
		close_batch(fds);
	}
	return end(&b);
}

/* A channel holds a request all the time: the drain is never complete, and can be undone. */
static double run_drain(unsigned int n)
{
	struct dm_user_message m;
	struct many many;
	struct bench b;

	begin(&b, n, true);
	many_open(&many, &b.target, 1, EACH);
	many_submit(&many, 0, 1, false, false);
	bench_take(b.fds[0], &m);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since = bench_now();

		for (int j = 0; j < BATCH; j++)
			NEED(!ch_drain(b.fds[0], j % 2 ? DM_USER_DRAIN_UNDO : 0, NULL),
			     "drain, undo");
		bench_note(since, BATCH);
	}
	bench_answer(b.fds[0], &m);
	NEED(many_reap(&many, 1), "the I/O ends");
	many_close(&many);
	return end(&b);
}

static double run_info(unsigned int n)
{
	struct dm_user_info info;
	struct bench b;

	begin(&b, n, true);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since = bench_now();

		for (int j = 0; j < BATCH; j++)
			ch_info(b.fds[0], &info);
		bench_note(since, BATCH);
	}
	return end(&b);
}

static double run_status(unsigned int n)
{
	struct bench b;

	begin(&b, n, true);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since = bench_now();

		for (int j = 0; j < BATCH; j++)
			dm_word(b.target.name, "queued:");
		bench_note(since, BATCH);
	}
	return end(&b);
}

/* ---- threads that read ---- */

struct reader {
	pthread_t thread;
	int fd;
	pid_t tid;
};

static struct reader readers[MOST];

/* Serves until its generation drains. */
static void *reader_main(void *arg)
{
	struct reader *reader = arg;
	uint8_t answer[sizeof(struct dm_user_message) + EACH] = { 0 };
	struct dm_user_message *m = (void *)answer;

	__atomic_store_n(&reader->tid, abi_gettid(), __ATOMIC_RELEASE);
	while (read(reader->fd, m, sizeof(*m)) == sizeof(*m)) {
		m->type = DM_USER_RESP_SUCCESS;
		NEED(write(reader->fd, answer, sizeof(answer)) == sizeof(answer), "answer");
	}
	return NULL;
}

static void readers_start(struct bench *b)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (unsigned int i = 0; i < b->n; i++) {
		readers[i].fd = b->fds[i];
		readers[i].tid = 0;
		NEED(!pthread_create(&readers[i].thread, &attr, reader_main, &readers[i]),
		     "a thread");
	}
	for (unsigned int i = 0; i < b->n; i++)
		NEED(UNTIL(__atomic_load_n(&readers[i].tid, __ATOMIC_ACQUIRE) &&
			   abi_blocked_in(readers[i].tid, SYS_read)), "the reader sleeps");
}

static void readers_begin(struct bench *b, unsigned int n)
{
	begin(b, n, true);
	readers_start(b);
}

static double readers_end(struct bench *b)
{
	NEED(!ch_drain(b->fds[0], 0, NULL), "drain");
	for (unsigned int i = 0; i < b->n; i++)
		pthread_join(readers[i].thread, NULL);
	return end(b);
}

static double run_readers(unsigned int n)
{
	struct bench b;
	uint8_t *buf = abi_buffer(EACH);
	int fd;

	readers_begin(&b, n);
	fd = open(b.target.dev, O_RDONLY | O_DIRECT | O_CLOEXEC);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since = bench_now();

		for (int j = 0; j < BATCH; j++)
			NEED(pread(fd, buf, EACH, 0) == EACH, "read");
		bench_note(since, BATCH);
	}
	close(fd);
	free(buf);
	return readers_end(&b);
}

/* Each close is followed by a yield, so that a reader that it wakes runs, too. */
static double run_readers_close(unsigned int n)
{
	struct bench b;

	readers_begin(&b, n);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since = bench_now();

		for (int j = 0; j < BATCH; j++) {
			close(ch_need(&b.target));
			sched_yield();
		}
		bench_note(since, BATCH);
	}
	return readers_end(&b);
}

/* Late answers to writes for which no request waits. */
static double run_readers_late(unsigned int n)
{
	struct dm_user_message held[BATCH];
	struct many many;
	struct bench b;
	uint64_t since;
	int fd;

	begin(&b, n, true);
	fd = ch_need(&b.target);
	many_open(&many, &b.target, BATCH, EACH);
	many_submit(&many, 0, BATCH, true, false);
	for (int i = 0; i < BATCH; i++)
		bench_take(fd, &held[i]);
	NEED(!dm_message(b.target.name, "fail"), "revoke the held requests");
	NEED(many_reap(&many, BATCH), "the I/Os end");
	readers_start(&b);
	since = bench_now();
	for (int i = 0; i < BATCH; i++) {
		bench_answer_late(fd, &held[i]);
		sched_yield();
	}
	bench_note(since, BATCH);
	many_close(&many);
	close(fd);
	return readers_end(&b);
}

/* ---- one thread that polls ---- */

static double run_epoll(unsigned int n)
{
	int poller = epoll_create1(EPOLL_CLOEXEC);
	struct dm_user_message m;
	struct epoll_event event;
	struct many many;
	struct bench b;

	begin(&b, n, true);
	many_open(&many, &b.target, 1, EACH);
	for (unsigned int i = 0; i < n; i++) {
		event = (struct epoll_event){ .events = EPOLLIN, .data.fd = b.fds[i] };
		NEED(!epoll_ctl(poller, EPOLL_CTL_ADD, b.fds[i], &event), "poll it");
	}
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since = bench_now();

		for (int j = 0; j < BATCH; j++) {
			many_submit(&many, 0, 1, false, false);
			NEED(epoll_wait(poller, &event, 1, -1) == 1, "an event");
			bench_take(event.data.fd, &m);
			bench_answer(event.data.fd, &m);
			NEED(many_reap(&many, 1), "the I/O ends");
		}
		bench_note(since, BATCH);
	}
	many_close(&many);
	close(poller);
	return end(&b);
}

/* ---- threads that do I/O, four that serve ---- */

#define SERVERS	4
#define IOS	2048	/* of all threads, but IOS_MIN or more of each */
#define IOS_MIN	64

static pthread_barrier_t users_ready;

struct user {
	pthread_t thread;
	int fd;
	unsigned int ios;
};

static void *user_main(void *arg)
{
	struct user *user = arg;
	uint8_t *buf = abi_buffer(EACH);

	pthread_barrier_wait(&users_ready);
	for (unsigned int i = 0; i < user->ios; i++)
		NEED(pread(user->fd, buf, EACH, (off_t)i * EACH) == EACH, "read");
	free(buf);
	return NULL;
}

static double run_threads(unsigned int n)
{
	unsigned int ios = IOS / n < IOS_MIN ? IOS_MIN : IOS / n;
	static struct user users[MOST];
	uint64_t since;
	struct bench b;

	readers_begin(&b, SERVERS);
	for (unsigned int i = 0; i < n; i++) {
		users[i].ios = ios;
		users[i].fd = open(b.target.dev, O_RDONLY | O_DIRECT | O_CLOEXEC);
	}
	pthread_barrier_init(&users_ready, NULL, n + 1);
	for (unsigned int i = 0; i < n; i++)
		NEED(!pthread_create(&users[i].thread, NULL, user_main, &users[i]), "a thread");
	since = bench_now();
	pthread_barrier_wait(&users_ready);
	for (unsigned int i = 0; i < n; i++)
		pthread_join(users[i].thread, NULL);
	bench_note(since, ios * n);
	pthread_barrier_destroy(&users_ready);
	for (unsigned int i = 0; i < n; i++)
		close(users[i].fd);
	return readers_end(&b);
}

const struct curve bench_channels[] = {
	{ "open", run_open, MOST, "open() of a channel; N are open" },
	{ "chan-close", run_close, MOST,
	  "close() of a channel that holds nothing; N others are open" },
	{ "join", run_join, MOST, "join of a new generation; there are N" },
	{ "drain", run_drain, MOST, "drain or its undoing; the generation has N channels" },
	{ "info", run_info, MOST, "ioctl info; N channels are open" },
	{ "status", run_status, MOST, "dmsetup status; N channels are open" },
	{ "readers", run_readers, MOST, "an I/O and its answer; N threads sleep in read()" },
	{ "readers-close", run_readers_close, MOST,
	  "open and close of a channel; N threads sleep in read()" },
	{ "readers-late", run_readers_late, MOST, "a late answer; N threads sleep in read()" },
	{ "epoll", run_epoll, MOST, "an I/O and its answer; N channels are in one epoll" },
	{ "threads", run_threads, 256, "an I/O and its answer; N threads do I/O, 4 serve" },
	{ 0 }
};
