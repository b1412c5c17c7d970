// SPDX-License-Identifier: GPL-2.0-or-later
/* The serve loop, over a control node and a backend in memory. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/fake_channel.h"

#define SECTOR		512
#define STORE_BYTES	(1 << 20)
#define SECTORS		(STORE_BYTES / SECTOR)
#define MAX_IO		65536

/* ---- a backend that remembers what it was asked for ---- */

enum call { NONE, READ, WRITE, FLUSH, DISCARD, WRITE_ZEROES, SECURE_ERASE };

struct dmu_backend {
	struct dmu_geometry geometry;
	uint8_t bytes[STORE_BYTES];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int calls;
	enum call last, before;
	uint64_t offset, len;
	bool fua, may_unmap;
	int rc;			/* of every call */
	bool hold;		/* calls wait while this is set */
	unsigned int held;	/* calls that wait */
};

static struct dmu_backend store;

static int note(struct dmu_backend *s, enum call call, uint64_t offset, uint64_t len, bool fua,
		bool may_unmap)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	s->calls++;
	s->before = s->last;
	s->last = call;
	s->offset = offset;
	s->len = len;
	s->fua = fua;
	s->may_unmap = may_unmap;
	s->held++;
	pthread_cond_broadcast(&s->changed);
	while (s->hold)
		pthread_cond_wait(&s->changed, &s->lock);
	s->held--;
	rc = s->rc;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int store_read(struct dmu_backend *s, void *buf, size_t len, uint64_t offset)
{
	memcpy(buf, s->bytes + offset, len);
	return note(s, READ, offset, len, false, false);
}

static int store_write(struct dmu_backend *s, const void *buf, size_t len, uint64_t offset,
		       bool fua)
{
	memcpy(s->bytes + offset, buf, len);
	return note(s, WRITE, offset, len, fua, false);
}

static int store_flush(struct dmu_backend *s)
{
	return note(s, FLUSH, 0, 0, false, false);
}

static int store_discard(struct dmu_backend *s, uint64_t offset, uint64_t len)
{
	return note(s, DISCARD, offset, len, false, false);
}

static int store_write_zeroes(struct dmu_backend *s, uint64_t offset, uint64_t len, bool may_unmap,
			      bool fua)
{
	return note(s, WRITE_ZEROES, offset, len, fua, may_unmap);
}

static int store_secure_erase(struct dmu_backend *s, uint64_t offset, uint64_t len)
{
	return note(s, SECURE_ERASE, offset, len, false, false);
}

static void store_geometry(const struct dmu_backend *s, struct dmu_geometry *geometry)
{
	*geometry = s->geometry;
}

static const struct dmu_backend_ops store_ops = {
	.name = "store",
	.geometry = store_geometry,
	.read = store_read,
	.write = store_write,
	.flush = store_flush,
	.discard = store_discard,
	.write_zeroes = store_write_zeroes,
	.secure_erase = store_secure_erase,
};

static void store_hold(bool hold)
{
	pthread_mutex_lock(&store.lock);
	store.hold = hold;
	pthread_cond_broadcast(&store.changed);
	pthread_mutex_unlock(&store.lock);
}

static void store_wait_held(unsigned int held)
{
	pthread_mutex_lock(&store.lock);
	while (store.held < held)
		pthread_cond_wait(&store.changed, &store.lock);
	pthread_mutex_unlock(&store.lock);
}

/* ---- the server of each test ---- */

static struct dmu_server *server;
static const struct dmu_backend_ops *ops;

static int setup(void **state)
{
	const struct dmu_geometry geometry = {
		.size = STORE_BYTES,
		.logical_block_size = SECTOR,
		.physical_block_size = SECTOR,
		.alignment = 1,
	};
	unsigned int i;

	memset(&store, 0, sizeof(store));
	store.geometry = geometry;
	for (i = 0; i < STORE_BYTES; i++)
		store.bytes[i] = i * 7 + i / SECTOR;
	pthread_mutex_init(&store.lock, NULL);
	pthread_cond_init(&store.changed, NULL);
	ops = &store_ops;
	server = NULL;
	return 0;
}

static void create(unsigned int channels)
{
	int fds[FAKE_CHANNELS_MAX];
	struct dmu_server_config config = {
		.channels = fds,
		.channel_count = channels,
		.ops = ops,
		.backend = &store,
		.max_io_bytes = MAX_IO,
		.sectors = SECTORS,
		.transport = &fake_transport,
	};

	fake_open(fds, channels);
	assert_int_equal(dmu_server_create(&server, &config), 0);
	assert_int_equal(dmu_server_channel(server), fds[0]);
}

static void start(unsigned int channels)
{
	create(channels);
	dmu_server_go(server);
}

/* Wait for the event that says that at most @running threads are left. */
static void wait_running(unsigned int running)
{
	struct pollfd pollfd = { .fd = dmu_server_event_fd(server), .events = POLLIN };
	eventfd_t events;

	while (dmu_server_running(server) > running) {
		assert_int_equal(poll(&pollfd, 1, 10000), 1);
		eventfd_read(pollfd.fd, &events);
	}
	assert_int_equal(dmu_server_running(server), running);
}

/* With no thread left the statistics are complete: an answer counts just after it was given. */
static struct dmu_server_stats final_stats(void)
{
	struct dmu_server_stats stats;

	fake_drain(true);
	wait_running(0);
	dmu_server_stats(server, &stats);
	return stats;
}

static void finish(void)
{
	fake_drain(true);
	wait_running(0);
	assert_int_equal(dmu_server_result(server), 0);
	assert_int_equal(dmu_server_destroy(server), 0);
	fake_finish();
}

static uint64_t answer_to(uint64_t type, uint64_t flags, uint64_t sector, uint64_t len)
{
	return fake_wait_type(fake_push(0, type, flags, sector, len, NULL));
}

static void fill(uint8_t *buf, size_t len, unsigned int seed)
{
	while (len--)
		*buf++ = seed = seed * 1103515245 + 12345 + (seed >> 16);
}

static void check_read(unsigned int channel, uint64_t sector, uint64_t len)
{
	struct fake_answer answer =
		fake_wait(fake_push(channel, DM_USER_REQ_MAP_READ, 0, sector, len, NULL));

	assert_int_equal(answer.type, DM_USER_RESP_SUCCESS);
	assert_memory_equal(answer.payload, store.bytes + sector * SECTOR, len);
	free(answer.payload);
}

static void check_write(unsigned int channel, uint64_t sector, uint64_t len, uint64_t flags,
			unsigned int seed)
{
	uint8_t *payload = malloc(len);
	uint64_t seq;

	fill(payload, len, seed);
	seq = fake_push(channel, DM_USER_REQ_MAP_WRITE, flags, sector, len, payload);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_SUCCESS);
	assert_memory_equal(store.bytes + sector * SECTOR, payload, len);
	free(payload);
}

/* ---- the stream ---- */

static void reads_and_writes_in_one_piece(void **state)
{
	start(1);
	check_read(0, 3, 4096);
	check_write(0, 5, 8192, 0, 1);
	check_read(0, 0, MAX_IO);
	check_write(0, SECTORS - 1, SECTOR, 0, 2);
	check_read(0, SECTORS - 1, SECTOR);
	finish();
}

static void reads_and_writes_cut_anyhow(void **state)
{
	static const size_t cuts[][2] = { { 1, 1 },  { 1, 0 },	 { 0, 1 },
					  { 7, 41 }, { 39, 39 }, { 4096, 4097 } };
	unsigned int i;

	start(1);
	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		fake_cut(cuts[i][0], cuts[i][1]);
		check_write(0, i, 4096, 0, i + 10);
		check_read(0, i, 4096);
		assert_int_equal(answer_to(DM_USER_REQ_MAP_FLUSH, 0, 0, 0), DM_USER_RESP_SUCCESS);
	}
	finish();
}

static void transient_errors_are_no_errors(void **state)
{
	static const int transient[] = { -EINTR, -EAGAIN, -ENOMEM };
	unsigned int i;

	start(1);
	fake_cut(13, 13);
	for (i = 0; i < 3; i++) {
		fake_fail_reads(0, transient[i], 5);
		check_write(0, 8, 1024, 0, i);
		fake_fail_writes(0, transient[i], 5);
		check_read(0, 8, 1024);
	}
	finish();
}

static void a_request_taken_back_is_forgotten(void **state)
{
	uint8_t payload[2048] = { 0 };
	unsigned int calls;
	size_t at;

	start(1);
	for (at = 0; at < 40 + sizeof(payload); at += 20) {
		calls = store.calls;
		fake_take_back(0, at, -ECANCELED);
		fake_wait(fake_push(0, DM_USER_REQ_MAP_WRITE, 0, 0, sizeof(payload), payload));
		check_read(0, 9, 1024);
		assert_int_equal(store.calls, calls + 1);
	}
	finish();
}

static void an_answer_nobody_wants_is_dropped(void **state)
{
	start(1);
	fake_fail_writes(0, -EINVAL, 1);
	fake_wait(fake_push(0, DM_USER_REQ_MAP_READ, 0, 0, 4096, NULL));
	check_read(0, 1, 4096);
	assert_int_equal(final_stats().requests[DM_USER_REQ_MAP_READ], 1);
	finish();
}

static void an_end_within_a_request_is_an_error(void **state)
{
	uint8_t payload[SECTOR] = { 0 };
	size_t at;

	for (at = 20; at <= 60; at += 20) {
		start(1);
		fake_take_back(0, at, 0);
		fake_push(0, DM_USER_REQ_MAP_WRITE, 0, 0, sizeof(payload), payload);
		wait_running(0);
		assert_int_equal(dmu_server_result(server), -EPROTO);
		assert_int_equal(store.calls, 0);
		assert_int_equal(dmu_server_destroy(server), 0);
		fake_finish();
	}
}

/* ---- what a request becomes ---- */

static void every_type_reaches_the_backend(void **state)
{
	const uint64_t fua = DM_USER_REQ_MAP_FLAG_FUA, nounmap = DM_USER_REQ_MAP_FLAG_NOUNMAP;
	static const struct {
		uint64_t type;
		enum call call;
	} kinds[] = {
		{ DM_USER_REQ_MAP_DISCARD, DISCARD },
		{ DM_USER_REQ_MAP_SECURE_ERASE, SECURE_ERASE },
		{ DM_USER_REQ_MAP_WRITE_ZEROES, WRITE_ZEROES },
	};
	unsigned int i;

	start(1);
	for (i = 0; i < 3; i++) {
		/* Longer than a payload may be: they have none. */
		assert_int_equal(answer_to(kinds[i].type, 0, 16, 2 * MAX_IO), DM_USER_RESP_SUCCESS);
		assert_int_equal(store.last, kinds[i].call);
		assert_int_equal(store.offset, 16 * SECTOR);
		assert_int_equal(store.len, 2 * MAX_IO);
	}
	assert_true(store.may_unmap);
	assert_false(store.fua);
	answer_to(DM_USER_REQ_MAP_WRITE_ZEROES, fua | nounmap, 1, SECTOR);
	assert_false(store.may_unmap);
	assert_true(store.fua);
	check_write(0, 2, SECTOR, 0, 3);
	assert_false(store.fua);
	check_write(0, 2, SECTOR, fua, 4);
	assert_true(store.fua);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_FLUSH, 0, 0, 0), DM_USER_RESP_SUCCESS);
	assert_int_equal(store.last, FLUSH);
	check_write(0, 2, SECTOR, DM_USER_REQ_MAP_FLAG_PREFLUSH, 5);
	assert_int_equal(store.before, FLUSH);
	finish();
}

static void unknown_types_are_unsupported(void **state)
{
	static const uint64_t unknown[] = { 5, 7, 8, 9, 10, 11, 12, 13, 1ULL << 32, UINT64_MAX };
	unsigned int i;

	start(1);
	for (i = 0; i < 10; i++)
		assert_int_equal(answer_to(unknown[i], 0, 0, 4096), DM_USER_RESP_UNSUPPORTED);
	assert_int_equal(store.calls, 0);
	check_read(0, 0, 4096);
	assert_int_equal(final_stats().unsupported, 10);
	finish();
}

static void operations_a_backend_lacks_are_unsupported(void **state)
{
	static const struct dmu_backend_ops bare = { .geometry = store_geometry,
						     .read = store_read };
	uint64_t type;
	uint8_t payload[SECTOR] = { 0 };
	uint64_t seq;

	ops = &bare;
	start(1);
	for (type = DM_USER_REQ_MAP_FLUSH; type <= DM_USER_REQ_MAP_WRITE_ZEROES; type++)
		assert_int_equal(answer_to(type, 0, 0, SECTOR), DM_USER_RESP_UNSUPPORTED);
	seq = fake_push(0, DM_USER_REQ_MAP_WRITE, 0, 0, SECTOR, payload);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_UNSUPPORTED);
	finish();
}

static void requests_that_do_not_fit_are_errors(void **state)
{
	static const struct {
		uint64_t sector, len;
	} bad[] = {
		{ SECTORS, SECTOR },
		{ SECTORS - 1, 2 * SECTOR },
		{ SECTORS + 1, SECTOR },
		{ UINT64_MAX, SECTOR },
		{ UINT64_MAX / SECTOR, SECTOR },
		{ 1ULL << 55, SECTOR },
		{ 0, 0 },
		{ 0, 1 },
		{ 0, SECTOR + 1 },
		{ 0, UINT64_MAX },
		{ 1, UINT64_MAX - SECTOR + 1 },
	};
	static const uint64_t types[] = {
		DM_USER_REQ_MAP_READ, DM_USER_REQ_MAP_DISCARD, DM_USER_REQ_MAP_SECURE_ERASE,
		DM_USER_REQ_MAP_WRITE_ZEROES,
	};
	unsigned int i, j;

	start(1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (j = 0; j < 4; j++)
			assert_int_equal(answer_to(types[j], 0, bad[i].sector, bad[i].len),
					 DM_USER_RESP_ERROR);
	}
	assert_int_equal(answer_to(DM_USER_REQ_MAP_READ, 0, 0, MAX_IO + SECTOR),
			 DM_USER_RESP_ERROR);
	assert_int_equal(store.calls, 0);
	check_read(0, 0, SECTOR);
	finish();
}

static void writes_that_do_not_fit_are_read_over(void **state)
{
	size_t len = 3 * MAX_IO + SECTOR;
	uint8_t *payload = malloc(len);
	uint64_t seq;

	fill(payload, len, 1);
	start(1);
	seq = fake_push(0, DM_USER_REQ_MAP_WRITE, 0, 0, len, payload);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_ERROR);
	seq = fake_push(0, DM_USER_REQ_MAP_WRITE, 0, SECTORS, SECTOR, payload);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_ERROR);
	assert_int_equal(store.calls, 0);
	check_write(0, 1, MAX_IO, 0, 2);
	free(payload);
	finish();
}

static void the_target_may_be_larger_than_the_backend(void **state)
{
	store.geometry.size = STORE_BYTES / 2;
	start(1);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_READ, 0, SECTORS / 2, SECTOR),
			 DM_USER_RESP_ERROR);
	assert_int_equal(store.calls, 0);
	check_read(0, SECTORS / 2 - 1, SECTOR);
	finish();
}

static void requests_are_aligned_or_errors(void **state)
{
	store.geometry.alignment = 4096;
	start(1);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_READ, 0, 1, 4096), DM_USER_RESP_ERROR);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_READ, 0, 8, 2048), DM_USER_RESP_ERROR);
	assert_int_equal(store.calls, 0);
	check_read(0, 8, 4096);
	finish();
}

static void a_read_only_backend_is_not_written(void **state)
{
	static const uint64_t types[] = {
		DM_USER_REQ_MAP_DISCARD, DM_USER_REQ_MAP_SECURE_ERASE, DM_USER_REQ_MAP_WRITE_ZEROES,
	};
	uint8_t payload[SECTOR] = { 0 };
	unsigned int i;
	uint64_t seq;

	store.geometry.read_only = true;
	start(1);
	for (i = 0; i < 3; i++)
		assert_int_equal(answer_to(types[i], 0, 0, SECTOR), DM_USER_RESP_ERROR);
	seq = fake_push(0, DM_USER_REQ_MAP_WRITE, 0, 0, SECTOR, payload);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_ERROR);
	assert_int_equal(store.calls, 0);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_FLUSH, 0, 0, 0), DM_USER_RESP_SUCCESS);
	check_read(0, 0, SECTOR);
	finish();
}

static void errors_of_the_backend_are_answered(void **state)
{
	uint64_t type, seq;
	uint8_t payload[SECTOR] = { 0 };

	start(1);
	for (type = 0; type <= DM_USER_REQ_MAP_WRITE_ZEROES; type++) {
		if (type == DM_USER_REQ_MAP_WRITE_SAME)
			continue;
		store.rc = -EIO;
		seq = fake_push(0, type, 0, 0, SECTOR,
				type == DM_USER_REQ_MAP_WRITE ? payload : NULL);
		assert_int_equal(fake_wait_type(seq), DM_USER_RESP_ERROR);
		store.rc = -EOPNOTSUPP;
		seq = fake_push(0, type, 0, 0, SECTOR,
				type == DM_USER_REQ_MAP_WRITE ? payload : NULL);
		assert_int_equal(fake_wait_type(seq), DM_USER_RESP_UNSUPPORTED);
	}
	store.rc = 0;
	check_read(0, 0, SECTOR);
	finish();
}

static void a_dead_backend_does_not_flood_the_log(void **state)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	char text[4096] = "";
	unsigned int i, lines = 0;

	dmu_log_open("test", -1, fd);
	start(1);
	store.rc = -EIO;
	for (i = 0; i < 500; i++)
		answer_to(DM_USER_REQ_MAP_READ, 0, 2, SECTOR);
	store.rc = 0;
	finish();
	dmu_log_open("test", -1, -1);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	for (i = 0; text[i]; i++)
		lines += text[i] == '\n';
	assert_int_equal(lines, 1);
	assert_non_null(strstr(text, "read of 512 bytes at sector 2 failed: Input/output error"));
	close(fd);
}

/* ---- coming and going ---- */

static void nothing_is_read_before_go(void **state)
{
	uint64_t seq;

	create(2);
	assert_int_equal(dmu_server_running(server), 0);
	seq = fake_push(1, DM_USER_REQ_MAP_FLUSH, 0, 0, 0, NULL);
	usleep(20000);
	assert_int_equal(store.calls, 0);
	dmu_server_go(server);
	assert_int_equal(dmu_server_running(server), 2);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_SUCCESS);
	finish();
}

static void a_server_that_never_ran_can_be_destroyed(void **state)
{
	create(3);
	assert_int_equal(dmu_server_destroy(server), 0);
}

/* Which threads were called; one at a time, so without a lock. */
struct calls {
	pthread_t threads[8];
	unsigned int count;
	int rc;
};

static int call(void *arg)
{
	struct calls *calls = arg;

	calls->threads[calls->count++] = pthread_self();
	return calls->count == 2 ? calls->rc : 0;
}

static void each_thread_is_called_once_before_go(void **state)
{
	struct calls calls = { .rc = 0 };
	unsigned int i, j;

	create(3);
	assert_int_equal(dmu_server_each(server, call, &calls), 0);
	assert_int_equal(calls.count, 3);
	for (i = 0; i < 3; i++) {
		assert_false(pthread_equal(calls.threads[i], pthread_self()));
		for (j = 0; j < i; j++)
			assert_false(pthread_equal(calls.threads[i], calls.threads[j]));
	}
	calls = (struct calls){ .rc = -EPERM };
	assert_int_equal(dmu_server_each(server, call, &calls), -EPERM);
	assert_int_equal(calls.count, 3);
	dmu_server_go(server);
	assert_int_equal(dmu_server_each(server, call, &calls), -EBUSY);
	assert_int_equal(calls.count, 3);
	check_read(1, 0, SECTOR);
	finish();
}

static void a_running_server_is_not_destroyed(void **state)
{
	start(2);
	assert_int_equal(dmu_server_destroy(server), -EBUSY);
	check_read(1, 0, SECTOR);
	finish();
}

static void drained_threads_answer_what_they_hold(void **state)
{
	uint64_t seq;

	start(2);
	store_hold(true);
	seq = fake_push(0, DM_USER_REQ_MAP_FLUSH, 0, 0, 0, NULL);
	store_wait_held(1);
	fake_drain(true);
	wait_running(1);
	assert_int_equal(dmu_server_destroy(server), -EBUSY);
	store_hold(false);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_SUCCESS);
	wait_running(0);
	assert_int_equal(dmu_server_result(server), 0);
	finish();
}

static void an_undone_drain_serves_again(void **state)
{
	start(3);
	check_read(2, 0, SECTOR);
	fake_drain(true);
	wait_running(0);
	fake_drain(false);
	dmu_server_resume(server);
	assert_int_equal(dmu_server_running(server), 3);
	check_read(0, 0, SECTOR);
	check_read(1, 0, SECTOR);
	check_read(2, 0, SECTOR);
	finish();
}

/* A thread between its read's 0 and its rest must not miss the resume. */
static void no_resume_is_missed(void **state)
{
	unsigned int i;

	start(2);
	for (i = 0; i < 1000; i++) {
		fake_drain(true);
		if (i % 3 == 1)
			wait_running(0);
		else if (i % 3)
			usleep(i % 50);
		fake_drain(false);
		dmu_server_resume(server);
		check_read(i % 2, i, SECTOR);
		assert_int_equal(dmu_server_running(server), 2);
	}
	finish();
}

static void a_target_that_is_gone_ends_every_thread(void **state)
{
	start(4);
	check_read(3, 0, SECTOR);
	fake_vanish();
	wait_running(0);
	assert_int_equal(dmu_server_result(server), -ENOTBLK);
	assert_int_equal(dmu_server_destroy(server), 0);
}

static void a_target_gone_under_an_answer_ends_the_thread(void **state)
{
	start(1);
	store_hold(true);
	fake_push(0, DM_USER_REQ_MAP_READ, 0, 0, SECTOR, NULL);
	store_wait_held(1);
	fake_vanish();
	store_hold(false);
	wait_running(0);
	assert_int_equal(dmu_server_result(server), -ENOTBLK);
	assert_int_equal(dmu_server_destroy(server), 0);
}

static void a_failed_thread_leaves_the_others_alone(void **state)
{
	start(2);
	fake_fail_reads(1, -EIO, 1);
	wait_running(1);
	assert_int_equal(dmu_server_result(server), -EIO);
	check_read(0, 0, SECTOR);
	dmu_server_resume(server);
	assert_int_equal(dmu_server_running(server), 1);
	fake_drain(true);
	wait_running(0);
	assert_int_equal(dmu_server_result(server), -EIO);
	assert_int_equal(dmu_server_destroy(server), 0);
	fake_finish();
}

static void a_failed_thread_gives_its_channel_up(void **state)
{
	int first;

	start(2);
	first = dmu_server_channel(server);
	fake_fail_reads(0, -EIO, 1);
	wait_running(1);
	assert_int_not_equal(dmu_server_channel(server), first);
	fake_drain(true);
	wait_running(0);
	assert_int_equal(dmu_server_destroy(server), 0);
	assert_int_equal(fcntl(first, F_GETFD), -1);
	fake_finish();
}

static void channels_are_closed_by_destroy(void **state)
{
	int fd;

	start(1);
	fd = dmu_server_channel(server);
	finish();
	assert_int_equal(lseek(fd, 0, SEEK_CUR), -1);
	assert_int_equal(errno, EBADF);
}

/* ---- all at once ---- */

static void *hammer(void *arg)
{
	unsigned int channel = (uintptr_t)arg, i, seed = channel;
	uint64_t region = SECTORS / FAKE_CHANNELS_MAX, sector;

	for (i = 0; i < 300; i++) {
		seed = seed * 1103515245 + 12345;
		sector = channel * region + (seed >> 8) % (region - 8);
		check_write(channel, sector, (1 + (seed >> 20) % 8) * SECTOR, 0, seed);
		check_read(channel, sector, 8 * SECTOR);
	}
	return NULL;
}

static void channels_do_not_disturb_each_other(void **state)
{
	pthread_t threads[FAKE_CHANNELS_MAX];
	struct dmu_server_stats stats;
	uintptr_t i;

	start(FAKE_CHANNELS_MAX);
	fake_cut(1000, 1000);
	for (i = 0; i < FAKE_CHANNELS_MAX; i++)
		pthread_create(&threads[i], NULL, hammer, (void *)i);
	for (i = 0; i < FAKE_CHANNELS_MAX; i++)
		pthread_join(threads[i], NULL);
	stats = final_stats();
	assert_int_equal(stats.requests[DM_USER_REQ_MAP_READ], 1200);
	assert_int_equal(stats.requests[DM_USER_REQ_MAP_WRITE], 1200);
	assert_int_equal(stats.bytes_read, 1200 * 8 * SECTOR);
	assert_int_equal(stats.last_seq, 2399);
	assert_int_equal(stats.errors, 0);
	assert_true(stats.first_answer_ms > 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reads_and_writes_in_one_piece, setup),
		cmocka_unit_test_setup(reads_and_writes_cut_anyhow, setup),
		cmocka_unit_test_setup(transient_errors_are_no_errors, setup),
		cmocka_unit_test_setup(a_request_taken_back_is_forgotten, setup),
		cmocka_unit_test_setup(an_answer_nobody_wants_is_dropped, setup),
		cmocka_unit_test_setup(an_end_within_a_request_is_an_error, setup),
		cmocka_unit_test_setup(every_type_reaches_the_backend, setup),
		cmocka_unit_test_setup(unknown_types_are_unsupported, setup),
		cmocka_unit_test_setup(operations_a_backend_lacks_are_unsupported, setup),
		cmocka_unit_test_setup(requests_that_do_not_fit_are_errors, setup),
		cmocka_unit_test_setup(writes_that_do_not_fit_are_read_over, setup),
		cmocka_unit_test_setup(the_target_may_be_larger_than_the_backend, setup),
		cmocka_unit_test_setup(requests_are_aligned_or_errors, setup),
		cmocka_unit_test_setup(a_read_only_backend_is_not_written, setup),
		cmocka_unit_test_setup(errors_of_the_backend_are_answered, setup),
		cmocka_unit_test_setup(a_dead_backend_does_not_flood_the_log, setup),
		cmocka_unit_test_setup(nothing_is_read_before_go, setup),
		cmocka_unit_test_setup(a_server_that_never_ran_can_be_destroyed, setup),
		cmocka_unit_test_setup(each_thread_is_called_once_before_go, setup),
		cmocka_unit_test_setup(a_running_server_is_not_destroyed, setup),
		cmocka_unit_test_setup(drained_threads_answer_what_they_hold, setup),
		cmocka_unit_test_setup(an_undone_drain_serves_again, setup),
		cmocka_unit_test_setup(no_resume_is_missed, setup),
		cmocka_unit_test_setup(a_target_that_is_gone_ends_every_thread, setup),
		cmocka_unit_test_setup(a_target_gone_under_an_answer_ends_the_thread, setup),
		cmocka_unit_test_setup(a_failed_thread_leaves_the_others_alone, setup),
		cmocka_unit_test_setup(a_failed_thread_gives_its_channel_up, setup),
		cmocka_unit_test_setup(channels_are_closed_by_destroy, setup),
		cmocka_unit_test_setup(channels_do_not_disturb_each_other, setup),
	};

	return cmocka_run_group_tests_name("serve", tests, NULL, NULL);
}
