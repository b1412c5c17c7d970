// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/fake_channel.h"

#define REQUESTS_MAX	4096
#define HEADER		sizeof(struct dm_user_message)

struct fake_request {
	uint8_t *payload;
	bool answered;
	struct fake_answer answer;
	struct dm_user_message message;		/* last: it ends in a flexible array */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t cut_read, cut_write;
	bool draining, vanished;
	struct fake_request requests[REQUESTS_MAX];	/* by seq */
	uint64_t count;
	struct channel {
		int fd;
		uint64_t queue[REQUESTS_MAX];		/* of seq */
		unsigned int head, tail;
		size_t moved;				/* bytes read of the request at head */
		int read_rc, write_rc, taken_rc;
		bool taken;
		unsigned int read_times, write_times;
		size_t taken_at;
		uint8_t held[HEADER];			/* header of an answer in progress */
		size_t held_bytes, answer_bytes;
	} channels[FAKE_CHANNELS_MAX];
	unsigned int channel_count;
} node = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static struct channel *channel_of(int fd)
{
	unsigned int i;

	for (i = 0; i < node.channel_count; i++) {
		if (node.channels[i].fd == fd)
			return &node.channels[i];
	}
	abort();
}

/* Move out a part of the request at head, never header and payload at once. Lock held. */
static ssize_t move_out(struct channel *channel, void *buf, size_t len)
{
	struct fake_request *request = &node.requests[channel->queue[channel->head]];
	size_t payload = request->payload ? request->message.len : 0, n;
	const uint8_t *from;

	if (channel->taken && channel->moved >= channel->taken_at) {
		channel->taken = false;
		channel->moved = 0;
		channel->head++;
		request->answered = true;
		return channel->taken_rc;
	}
	if (channel->moved < HEADER) {
		from = (const uint8_t *)&request->message + channel->moved;
		n = HEADER - channel->moved;
	} else {
		from = request->payload + channel->moved - HEADER;
		n = HEADER + payload - channel->moved;
	}
	if (node.cut_read && n > node.cut_read)
		n = node.cut_read;
	if (channel->taken && n > channel->taken_at - channel->moved)
		n = channel->taken_at - channel->moved;
	n = n < len ? n : len;
	memcpy(buf, from, n);
	channel->moved += n;
	if (channel->moved == HEADER + payload) {
		channel->moved = 0;
		channel->head++;
	}
	return n;
}

static ssize_t fake_read(int fd, void *buf, size_t len)
{
	struct channel *channel = channel_of(fd);
	ssize_t rc;

	pthread_mutex_lock(&node.lock);
	for (;;) {
		if (node.vanished) {
			rc = -ENOTBLK;
			break;
		}
		if (channel->read_times) {
			channel->read_times--;
			rc = channel->read_rc;
			break;
		}
		if (channel->head != channel->tail && (!node.draining || channel->moved)) {
			rc = move_out(channel, buf, len);
			break;
		}
		if (node.draining) {
			rc = 0;
			break;
		}
		pthread_cond_wait(&node.changed, &node.lock);
	}
	pthread_cond_broadcast(&node.changed);
	pthread_mutex_unlock(&node.lock);
	return rc;
}

/* Move in bytes of an answer, at most up to its end. Lock held. */
static ssize_t move_in(struct channel *channel, const uint8_t *from, size_t len)
{
	struct dm_user_message header;
	struct fake_request *request;
	size_t n, payload;

	if (channel->held_bytes < HEADER) {
		n = HEADER - channel->held_bytes < len ? HEADER - channel->held_bytes : len;
		memcpy(channel->held + channel->held_bytes, from, n);
		channel->held_bytes += n;
		if (channel->held_bytes < HEADER)
			return n;
		channel->answer_bytes = 0;
	} else {
		n = 0;
	}
	memcpy(&header, channel->held, HEADER);
	if (header.seq >= node.count || node.requests[header.seq].answered) {
		channel->held_bytes = 0;
		return -EINVAL;
	}
	request = &node.requests[header.seq];
	payload = 0;
	if (header.type == DM_USER_RESP_SUCCESS && request->message.type == DM_USER_REQ_MAP_READ)
		payload = request->message.len;
	if (payload && !request->answer.payload)
		request->answer.payload = malloc(payload);
	len = len - n < payload - channel->answer_bytes ? len - n : payload - channel->answer_bytes;
	if (len)
		memcpy(request->answer.payload + channel->answer_bytes, from + n, len);
	channel->answer_bytes += len;
	if (channel->answer_bytes == payload) {
		request->answer.type = header.type;
		request->answered = true;
		channel->held_bytes = 0;
	}
	return n + len;
}

static ssize_t fake_writev(int fd, const struct iovec *iov, int count)
{
	struct channel *channel = channel_of(fd);
	size_t limit = node.cut_write ? node.cut_write : SIZE_MAX, part;
	ssize_t n, rc = 0;
	int i;

	pthread_mutex_lock(&node.lock);
	if (node.vanished) {
		rc = -ENOTBLK;
	} else if (channel->write_times) {
		channel->write_times--;
		rc = channel->write_rc;
		/* The kernel has failed the request meanwhile: no answer comes any more. */
		if (rc == -EINVAL)
			node.requests[((const struct dm_user_message *)iov[0].iov_base)->seq]
				.answered = true;
	}
	for (i = 0; !rc && i < count && !iov[i].iov_len; i++)
		;
	for (; rc >= 0 && i < count && (size_t)rc < limit; i++) {
		part = iov[i].iov_len < limit - rc ? iov[i].iov_len : limit - rc;
		n = move_in(channel, iov[i].iov_base, part);
		rc = n < 0 ? n : rc + n;
		if (n != (ssize_t)iov[i].iov_len)
			break;
	}
	pthread_cond_broadcast(&node.changed);
	pthread_mutex_unlock(&node.lock);
	return rc;
}

const struct dmu_transport fake_transport = {
	.abi = DMU_ABI, .read = fake_read, .writev = fake_writev,
};

void fake_open(int *fds, unsigned int count)
{
	unsigned int i;

	node.channel_count = count;
	node.count = 0;
	node.draining = node.vanished = false;
	node.cut_read = node.cut_write = 0;
	memset(node.channels, 0, sizeof(node.channels));
	memset(node.requests, 0, sizeof(node.requests));
	for (i = 0; i < count; i++) {
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		assert_true(fds[i] >= 0);
		node.channels[i].fd = fds[i];
	}
}

void fake_finish(void)
{
	uint64_t seq;

	for (seq = 0; seq < node.count; seq++) {
		assert_true(node.requests[seq].answered);
		free(node.requests[seq].payload);
	}
}

#define LOCKED(statement)				\
	do {						\
		pthread_mutex_lock(&node.lock);		\
		statement;				\
		pthread_cond_broadcast(&node.changed);	\
		pthread_mutex_unlock(&node.lock);	\
	} while (0)

void fake_cut(size_t read_bytes, size_t write_bytes)
{
	LOCKED(node.cut_read = read_bytes; node.cut_write = write_bytes);
}

void fake_fail_reads(unsigned int index, int rc, unsigned int times)
{
	LOCKED(node.channels[index].read_rc = rc; node.channels[index].read_times = times);
}

void fake_fail_writes(unsigned int index, int rc, unsigned int times)
{
	LOCKED(node.channels[index].write_rc = rc; node.channels[index].write_times = times);
}

void fake_take_back(unsigned int index, size_t at, int rc)
{
	LOCKED(node.channels[index].taken_at = at; node.channels[index].taken_rc = rc;
	       node.channels[index].taken = true);
}

void fake_drain(bool draining)
{
	LOCKED(node.draining = draining);
}

void fake_vanish(void)
{
	LOCKED(node.vanished = true);
}

uint64_t fake_push(unsigned int index, uint64_t type, uint64_t flags, uint64_t sector, uint64_t len,
		   const void *payload)
{
	struct channel *channel = &node.channels[index];
	struct fake_request *request;
	uint64_t seq;

	pthread_mutex_lock(&node.lock);
	assert_true(node.count < REQUESTS_MAX);
	seq = node.count++;
	request = &node.requests[seq];
	request->message = (struct dm_user_message){
		.seq = seq, .type = type, .flags = flags, .sector = sector, .len = len
	};
	if (payload) {
		request->payload = malloc(len);
		memcpy(request->payload, payload, len);
	}
	channel->queue[channel->tail++] = seq;
	pthread_cond_broadcast(&node.changed);
	pthread_mutex_unlock(&node.lock);
	return seq;
}

struct fake_answer fake_wait(uint64_t seq)
{
	struct fake_answer answer;
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&node.lock);
	while (!node.requests[seq].answered && !rc)
		rc = pthread_cond_timedwait(&node.changed, &node.lock, &until);
	answer = node.requests[seq].answer;
	pthread_mutex_unlock(&node.lock);
	if (rc)
		fail_msg("no answer to request %llu", (unsigned long long)seq);
	return answer;
}

uint64_t fake_wait_type(uint64_t seq)
{
	struct fake_answer answer = fake_wait(seq);

	free(answer.payload);
	return answer.type;
}
