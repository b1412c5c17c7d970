// SPDX-License-Identifier: GPL-2.0-or-later
/* The calls of the smallest possible daemon on a channel. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "abi.h"

int ch_open(const struct target *t)
{
	char node[64];
	int fd;

	snprintf(node, sizeof(node), "/dev/dm-user/%s", t->ctl);
	fd = open(node, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int ch_need(const struct target *t)
{
	int fd = ch_open(t);

	NEED(fd >= 0, "open a channel of %s: %s", t->ctl, strerror(-fd));
	return fd;
}

int ch_info(int fd, struct dm_user_info *info)
{
	memset(info, 0, sizeof(*info));
	return ioctl(fd, DM_USER_IOC_INFO, info) < 0 ? -errno : 0;
}

int ch_join(int fd, uint64_t generation, uint32_t flags)
{
	struct dm_user_join join = { .generation = generation, .flags = flags };

	return ioctl(fd, DM_USER_IOC_JOIN, &join) < 0 ? -errno : 0;
}

int ch_drain(int fd, uint32_t flags, struct dm_user_drain *drain)
{
	struct dm_user_drain mine;

	if (!drain)
		drain = &mine;
	*drain = (struct dm_user_drain){ .flags = flags };
	return ioctl(fd, DM_USER_IOC_DRAIN, drain) < 0 ? -errno : 0;
}

int ch_seal(int fd)
{
	return ioctl(fd, DM_USER_IOC_SEAL) < 0 ? -errno : 0;
}

int ch_new(int fd)
{
	struct dm_user_open arg = { 0 };
	int new = ioctl(fd, DM_USER_IOC_OPEN, &arg);

	return new < 0 ? -errno : new;
}

int ch_poll(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };

	return poll(&poller, 1, 0) < 0 ? -errno : poller.revents;
}

bool ch_ready(int fd, int events)
{
	return UNTIL(ch_poll(fd) & events);
}

void ch_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

ssize_t ch_read(int fd, void *buf, size_t len)
{
	ssize_t got = read(fd, buf, len);

	return got < 0 ? -errno : got;
}

ssize_t ch_write(int fd, const void *buf, size_t len)
{
	ssize_t put = write(fd, buf, len);

	return put < 0 ? -errno : put;
}

/* Read all of @len bytes, at most @chunk a call (0: no limit). */
static int ch_read_all(int fd, void *buf, size_t len, size_t chunk)
{
	for (size_t at = 0; at < len; ) {
		size_t want = chunk && chunk < len - at ? chunk : len - at;
		ssize_t got = ch_read(fd, buf + at, want);

		if (got < 0)
			return got;
		if (got == 0)
			return -ESHUTDOWN;
		at += got;
	}
	return 0;
}

int ch_take(int fd, struct dm_user_message *m, void *payload, size_t chunk)
{
	void *own = NULL;
	int err;

	err = ch_read_all(fd, m, sizeof(*m), chunk);
	if (err || m->type != DM_USER_REQ_MAP_WRITE)
		return err;
	/* With compat:android an empty write is a flush. */
	if (!m->len && m->flags & DM_USER_REQ_MAP_FLAG_PREFLUSH)
		return 0;
	if (!OK(m->len && m->len <= ABI_MAX_IO,
		"length %llu of a write", (unsigned long long)m->len))
		return -EMSGSIZE;
	if (!payload)
		payload = own = abi_buffer(m->len);
	err = ch_read_all(fd, payload, m->len, chunk);
	free(own);
	return err;
}

void ch_take_type(int fd, struct dm_user_message *m, uint64_t type, void *payload)
{
	NEED(ch_ready(fd, POLLIN), "a request of type %llu comes", (unsigned long long)type);
	NEED(IS(ch_take(fd, m, payload, 0), 0, "take a request"), "ch_take()");
	IS(m->type, type, "type of the request");
}

int ch_answer(int fd, const struct dm_user_message *m, uint64_t type, const void *payload,
	      size_t chunk)
{
	size_t len = sizeof(*m), at = 0;
	struct dm_user_message *answer;
	int err = 0;

	if (type == DM_USER_RESP_SUCCESS && m->type == DM_USER_REQ_MAP_READ)
		len += m->len;
	answer = abi_buffer(len);
	*answer = (struct dm_user_message){ .seq = m->seq, .type = type };
	if (len > sizeof(*m))
		memcpy(answer->buf, payload, m->len);
	while (at < len) {
		size_t want = chunk && chunk < len - at ? chunk : len - at;
		ssize_t put = ch_write(fd, (uint8_t *)answer + at, want);

		if (put < 0) {
			err = put;
			break;
		}
		if (!OK(put > 0, "write() of %zu bytes makes progress", want)) {
			err = -EIO;
			break;
		}
		at += put;
	}
	free(answer);
	return err;
}

static int server_one(struct server *s, uint8_t *payload)
{
	struct dm_user_message m;
	uint64_t at;
	int err = ch_take(s->fd, &m, payload, s->chunk);

	if (err)
		return err;
	at = m.sector * 512;
	switch (m.type) {
	case DM_USER_REQ_MAP_WRITE:
		memcpy(s->store + at, payload, m.len);
		break;
	case DM_USER_REQ_MAP_DISCARD:
	case DM_USER_REQ_MAP_SECURE_ERASE:
	case DM_USER_REQ_MAP_WRITE_ZEROES:
		memset(s->store + at, 0, m.len);
		break;
	default:
		break;
	}
	s->served++;
	return ch_answer(s->fd, &m, DM_USER_RESP_SUCCESS, s->store + at, s->chunk);
}

static void *server_thread(void *arg)
{
	uint8_t *payload = abi_buffer(ABI_MAX_IO);
	struct server *s = arg;

	__atomic_store_n(&s->tid, abi_gettid(), __ATOMIC_RELEASE);
	do {
		s->result = server_one(s, payload);
		/* -ECANCELED: the kernel took the request back; -EINTR: a signal. */
	} while (!s->result || s->result == -ECANCELED || s->result == -EINTR);
	if (s->result == -ESHUTDOWN)
		s->result = 0;
	free(payload);
	s->gone = true;
	return NULL;
}

void server_start(struct server *s, int fd, uint8_t *store)
{
	s->fd = fd;
	s->store = store;
	NEED(!pthread_create(&s->thread, NULL, server_thread, s), "create a thread");
}

int server_join(struct server *s)
{
	NEED(UNTIL(s->gone), "the daemon thread leaves its loop");
	pthread_join(s->thread, NULL);
	return s->result;
}
