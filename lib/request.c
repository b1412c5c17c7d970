// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One request: read it whole, however the transport cuts it, check it, let the backend do it, and
 * answer it. <linux/dm-user.h> defines the stream.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/server.h"

#define LOG_INTERVAL_MS	10000

/*
 * True if @rc means "try again"; sleeps first if the cause may last.
 *
 * #syscalls io: poll restart_syscall
 */
static bool is_transient(ssize_t rc)
{
	if (rc == -EINTR)
		return true;
	if (rc != -EAGAIN && rc != -ENOMEM)
		return false;
	poll(NULL, 0, 1);
	return true;
}

/* ---- in ---- */

/* 1: @buf has all @len bytes. 0: drained, nothing was read. Else -errno. */
static int read_full(struct worker *worker, void *buf, size_t len)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = worker->server->transport->read(worker->fd, (char *)buf + got, len - got);
		if (n < 0 && is_transient(n))
			continue;
		if (n < 0)
			return n;
		if (!n && !got)
			return 0;
		/* Even in a drain, a request that was begun can be read to its end. */
		if (!n || (size_t)n > len - got)
			return -EPROTO;
		got += n;
	}
	return 1;
}

/* Read the payload of a WRITE. A payload beyond the buffer is lost, and fits() refuses it. */
static int read_payload(struct worker *worker)
{
	uint64_t left = worker->message->len;
	size_t part;
	int rc;

	while (left) {
		part = left < worker->server->max_io_bytes ? left : worker->server->max_io_bytes;
		rc = read_full(worker, worker->payload, part);
		if (rc <= 0)
			return rc ? rc : -EPROTO;
		left -= part;
	}
	return 1;
}

/* 1: worker->message and payload have a request. 0: drained. Else -errno. */
static int receive(struct worker *worker)
{
	int rc = read_full(worker, worker->message, sizeof(*worker->message));

	if (rc > 0 && worker->message->type == DM_USER_REQ_MAP_WRITE)
		rc = read_payload(worker);
	return rc;
}

/* ---- the operations: one function a type, 0 or -errno ---- */

static const struct dmu_call call = { .self_test = false };

static int do_read(struct worker *worker, const struct dm_user_message *message, uint64_t offset)
{
	const struct dmu_server *server = worker->server;

	return server->ops->read(server->backend, &call, worker->payload, message->len, offset);
}

static int do_write(struct worker *worker, const struct dm_user_message *message, uint64_t offset)
{
	const struct dmu_server *server = worker->server;
	bool fua = message->flags & DM_USER_REQ_MAP_FLAG_FUA;

	if (!server->ops->write)
		return -EOPNOTSUPP;
	return server->ops->write(server->backend, &call, worker->payload, message->len, offset,
				  fua);
}

static int do_flush(struct worker *worker, const struct dm_user_message *message, uint64_t offset)
{
	const struct dmu_server *server = worker->server;

	return server->ops->flush ? server->ops->flush(server->backend, &call) : -EOPNOTSUPP;
}

static int do_discard(struct worker *worker, const struct dm_user_message *message, uint64_t offset)
{
	const struct dmu_server *server = worker->server;

	if (!server->ops->discard)
		return -EOPNOTSUPP;
	return server->ops->discard(server->backend, &call, offset, message->len);
}

static int do_secure_erase(struct worker *worker, const struct dm_user_message *message,
			   uint64_t offset)
{
	const struct dmu_server *server = worker->server;

	if (!server->ops->secure_erase)
		return -EOPNOTSUPP;
	return server->ops->secure_erase(server->backend, &call, offset, message->len);
}

static int do_write_zeroes(struct worker *worker, const struct dm_user_message *message,
			   uint64_t offset)
{
	const struct dmu_server *server = worker->server;
	bool may_unmap = !(message->flags & DM_USER_REQ_MAP_FLAG_NOUNMAP);
	bool fua = message->flags & DM_USER_REQ_MAP_FLAG_FUA;

	if (!server->ops->write_zeroes)
		return -EOPNOTSUPP;
	return server->ops->write_zeroes(server->backend, &call, offset, message->len, may_unmap,
					 fua);
}

static const struct request_type {
	const char *name;
	int (*run)(struct worker *worker, const struct dm_user_message *message, uint64_t offset);
	bool has_range;		/* sector and len are valid */
	bool has_payload;	/* the payload must fit the buffer */
	bool changes;		/* a read-only backend refuses it */
} types[DMU_TYPES] = {
	[DM_USER_REQ_MAP_READ] = { "read", do_read, true, true, false },
	[DM_USER_REQ_MAP_WRITE] = { "write", do_write, true, true, true },
	[DM_USER_REQ_MAP_FLUSH] = { "flush", do_flush, false, false, false },
	[DM_USER_REQ_MAP_DISCARD] = { "discard", do_discard, true, false, true },
	[DM_USER_REQ_MAP_SECURE_ERASE] = { "secure erase", do_secure_erase, true, false, true },
	[DM_USER_REQ_MAP_WRITE_ZEROES] = { "write zeroes", do_write_zeroes, true, false, true },
};

/* ---- check and do ---- */

/* True if the backend's contract allows the range. */
static bool fits(const struct dmu_server *server, const struct request_type *type,
		 const struct dm_user_message *message)
{
	uint64_t count = message->len / DMU_SECTOR;
	uint32_t alignment = server->geometry.alignment;

	if (!count || message->len % DMU_SECTOR)
		return false;
	if (message->sector > server->sectors || count > server->sectors - message->sector)
		return false;
	if (alignment > DMU_SECTOR &&
	    (message->len % alignment || message->sector * DMU_SECTOR % alignment))
		return false;
	return !type->has_payload || message->len <= server->max_io_bytes;
}

/* A dead disk fails every request, so limit the log lines. */
static void complain(struct dmu_server *server, const char *what,
		     const struct dm_user_message *message, int rc)
{
	uint64_t now = dmu_now_ms(), next = atomic_load(&server->next_log_ms);
	const char *why = strerrordesc_np(-rc);

	if (now < next ||
	    !atomic_compare_exchange_strong(&server->next_log_ms, &next, now + LOG_INTERVAL_MS)) {
		atomic_fetch_add(&server->unlogged, 1);
		return;
	}
	dmu_log(DMU_LOG_ERR,
		"%s of %llu bytes at sector %llu failed: %s (and %llu more since the last line)",
		what, (unsigned long long)message->len, (unsigned long long)message->sector,
		why ? why : "?", (unsigned long long)atomic_exchange(&server->unlogged, 0));
}

static int carry_out(struct worker *worker, const struct request_type *type,
		     const struct dm_user_message *message)
{
	struct dmu_server *server = worker->server;
	int rc;

	if (type->changes && server->geometry.read_only)
		return -EROFS;
	/* This kernel target sends a separate flush; Android's marks a write, even an empty one. */
	if (message->flags & DM_USER_REQ_MAP_FLAG_PREFLUSH && type->run == do_write) {
		rc = do_flush(worker, message, 0);
		if (rc && message->len)
			return -EIO;	/* reported only once, so the write must not come again */
		if (rc || !message->len)
			return rc;
	}
	if (type->has_range && !fits(server, type, message))
		return -ERANGE;
	return type->run(worker, message, type->has_range ? message->sector * DMU_SECTOR : 0);
}

/*
 * Nothing is in this process, so a flush has nothing to cover. If this generation serves alone, the
 * next flushes pass it by, until it gets a request that writes.
 */
static int flush_remapped(struct worker *worker)
{
	dmu_channel_clean(worker->fd);
	return 0;
}

/* What carry_out() does if the kernel is to do it: 1, or -errno. */
static int carry_over(struct worker *worker, const struct request_type *type,
		      const struct dm_user_message *message)
{
	if (!type->has_range || !message->len)
		return flush_remapped(worker);
	if (type->changes && worker->server->geometry.read_only)
		return -EROFS;
	return fits(worker->server, type, message) ? 1 : -ERANGE;
}

/* The answer to the request in worker->message: DM_USER_RESP_*. */
static uint64_t decide(struct worker *worker)
{
	const struct dm_user_message *message = worker->message;
	const struct request_type *type;
	int rc;

	if (message->type >= DMU_TYPES || !types[message->type].run)
		return DM_USER_RESP_UNSUPPORTED;
	type = &types[message->type];
	rc = worker->server->remaps ? carry_over(worker, type, message) :
				      carry_out(worker, type, message);
	if (rc >= 0)
		return rc ? DM_USER_RESP_REMAP : DM_USER_RESP_SUCCESS;
	if (rc == -EOPNOTSUPP)
		return DM_USER_RESP_UNSUPPORTED;
	complain(worker->server, type->name, message, rc);
	return rc == -ENOSPC || rc == -EDQUOT ? DM_USER_RESP_NOSPC : DM_USER_RESP_ERROR;
}

/* ---- out ---- */

static void advance(struct iovec *iov, size_t n)
{
	size_t part = n < iov[0].iov_len ? n : iov[0].iov_len;

	iov[0].iov_base = (char *)iov[0].iov_base + part;
	iov[0].iov_len -= part;
	iov[1].iov_base = (char *)iov[1].iov_base + (n - part);
	iov[1].iov_len -= n - part;
}

/* 1: answered. 0: the kernel no longer wants the answer. Else -errno. */
static int send_answer(struct worker *worker, uint64_t response, size_t payload)
{
	/* A remap is to the same sector of backing device 0. */
	struct dm_user_message header = {
		.seq = worker->message->seq, .type = response, .sector = worker->message->sector,
	};
	struct iovec iov[2] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = worker->payload, .iov_len = payload },
	};
	size_t left = sizeof(header) + payload;
	ssize_t n;

	while (left) {
		bool begun = !iov[0].iov_len;

		n = worker->server->transport->writev(worker->fd, begun ? &iov[1] : iov,
						      begun || !payload ? 1 : 2);
		if (n < 0 && is_transient(n))
			continue;
		/* This channel no longer holds the request: an administrator failed it, say. */
		if (n == -EINVAL || n == -ECANCELED)
			return 0;
		if (n < 0)
			return n;
		if (!n || (size_t)n > left)
			return -EPROTO;
		advance(iov, n);
		left -= n;
	}
	return 1;
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	/* There is one writer, so no locked instruction is needed. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static void account(struct counters *counters, const struct dm_user_message *message,
		    uint64_t response)
{
	if (message->type < DMU_TYPES)
		count(&counters->requests[message->type], 1);
	if (response == DM_USER_RESP_ERROR || response == DM_USER_RESP_NOSPC)
		count(&counters->errors, 1);
	if (response == DM_USER_RESP_UNSUPPORTED)
		count(&counters->unsupported, 1);
	if (response == DM_USER_RESP_SUCCESS && message->type == DM_USER_REQ_MAP_READ)
		count(&counters->bytes_read, message->len);
	if (response == DM_USER_RESP_SUCCESS && message->type == DM_USER_REQ_MAP_WRITE)
		count(&counters->bytes_written, message->len);
	if (message->seq > atomic_load_explicit(&counters->last_seq, memory_order_relaxed))
		atomic_store_explicit(&counters->last_seq, message->seq, memory_order_relaxed);
	if (!atomic_load_explicit(&counters->first_answer_ms, memory_order_relaxed))
		atomic_store_explicit(&counters->first_answer_ms, dmu_now_ms(),
				      memory_order_relaxed);
}

int dmu_worker_serve(struct worker *worker)
{
	const struct dm_user_message *message = worker->message;
	uint64_t response;
	size_t payload;
	int rc;

	for (;;) {
		rc = receive(worker);
		if (rc == -ECANCELED)
			continue;
		if (rc <= 0)
			return rc;
		response = decide(worker);
		payload = 0;
		if (response == DM_USER_RESP_SUCCESS && message->type == DM_USER_REQ_MAP_READ)
			payload = message->len;
		rc = send_answer(worker, response, payload);
		if (rc < 0)
			return rc;
		if (rc)
			account(&worker->counters, message, response);
	}
}
