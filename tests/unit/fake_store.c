// SPDX-License-Identifier: GPL-2.0-or-later
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "tests/unit/fake_store.h"

/* ---- a backend that records its last calls ---- */

struct dmu_backend store;

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

static int store_read(struct dmu_backend *s, const struct dmu_call *call, void *buf, size_t len,
		      uint64_t offset)
{
	memcpy(buf, s->bytes + offset, len);
	return note(s, READ, offset, len, false, false);
}

static int store_write(struct dmu_backend *s, const struct dmu_call *call, const void *buf,
		       size_t len, uint64_t offset, bool fua)
{
	memcpy(s->bytes + offset, buf, len);
	return note(s, WRITE, offset, len, fua, false);
}

static int store_flush(struct dmu_backend *s, const struct dmu_call *call)
{
	return note(s, FLUSH, 0, 0, false, false);
}

static int store_discard(struct dmu_backend *s, const struct dmu_call *call, uint64_t offset,
			 uint64_t len)
{
	return note(s, DISCARD, offset, len, false, false);
}

static int store_write_zeroes(struct dmu_backend *s, const struct dmu_call *call, uint64_t offset,
			      uint64_t len, bool may_unmap, bool fua)
{
	return note(s, WRITE_ZEROES, offset, len, fua, may_unmap);
}

static int store_secure_erase(struct dmu_backend *s, const struct dmu_call *call, uint64_t offset,
			      uint64_t len)
{
	return note(s, SECURE_ERASE, offset, len, false, false);
}

static void store_geometry(const struct dmu_backend *s, struct dmu_geometry *geometry)
{
	*geometry = s->geometry;
}

const struct dmu_backend_ops store_ops = {
	.abi = DMU_ABI,
	.name = "store",
	.geometry = store_geometry,
	.read = store_read,
	.write = store_write,
	.flush = store_flush,
	.discard = store_discard,
	.write_zeroes = store_write_zeroes,
	.secure_erase = store_secure_erase,
};

void store_hold(bool hold)
{
	pthread_mutex_lock(&store.lock);
	store.hold = hold;
	pthread_cond_broadcast(&store.changed);
	pthread_mutex_unlock(&store.lock);
}

void store_wait_held(unsigned int held)
{
	pthread_mutex_lock(&store.lock);
	while (store.held < held)
		pthread_cond_wait(&store.changed, &store.lock);
	pthread_mutex_unlock(&store.lock);
}

/* ---- the server of each test ---- */

struct dmu_server *server;
const struct dmu_backend_ops *ops;
bool remaps;

int setup(void **state)
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
	remaps = false;
	server = NULL;
	return 0;
}

void create(unsigned int channels)
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
		.remaps = remaps,
	};

	fake_open(fds, channels);
	assert_int_equal(dmu_server_create(&server, &config), 0);
	assert_int_equal(dmu_server_channel(server), fds[0]);
}

void start(unsigned int channels)
{
	create(channels);
	dmu_server_go(server);
}

void wait_running(unsigned int running)
{
	struct pollfd pollfd = { .fd = dmu_server_event_fd(server), .events = POLLIN };
	eventfd_t events;

	while (dmu_server_running(server) > running) {
		assert_int_equal(poll(&pollfd, 1, 10000), 1);
		eventfd_read(pollfd.fd, &events);
	}
	assert_int_equal(dmu_server_running(server), running);
}

struct dmu_server_stats final_stats(void)
{
	struct dmu_server_stats stats;

	fake_drain(true);
	wait_running(0);
	dmu_server_stats(server, &stats);
	return stats;
}

void finish(void)
{
	fake_drain(true);
	wait_running(0);
	assert_int_equal(dmu_server_result(server), 0);
	assert_int_equal(dmu_server_destroy(server), 0);
	fake_finish();
}

uint64_t answer_to(uint64_t type, uint64_t flags, uint64_t sector, uint64_t len)
{
	return fake_wait_type(fake_push(0, type, flags, sector, len, NULL));
}

void fill(uint8_t *buf, size_t len, unsigned int seed)
{
	while (len--)
		*buf++ = seed = seed * 1103515245 + 12345 + (seed >> 16);
}

void check_read(unsigned int channel, uint64_t sector, uint64_t len)
{
	struct fake_answer answer =
		fake_wait(fake_push(channel, DM_USER_REQ_MAP_READ, 0, sector, len, NULL));

	assert_int_equal(answer.type, DM_USER_RESP_SUCCESS);
	assert_memory_equal(answer.payload, store.bytes + sector * SECTOR, len);
	free(answer.payload);
}

void check_write(unsigned int channel, uint64_t sector, uint64_t len, uint64_t flags,
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
