// SPDX-License-Identifier: GPL-2.0-or-later
/* Extents and the administrator: the messages pin and unpin, and a table replaced under load. */
#include <errno.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "extents.h"

/* Declare @s's daemons clean. */
static int clean(const struct stack *s)
{
	return ext_ioctl(s->fd, DM_USER_IOC_CLEAN, NULL);
}

static int pin(const struct stack *s)
{
	return dm_message(s->t.name, "pin");
}

/* If the pin succeeds, the rest would hang. */
#define REFUSED(s, ...)	NEED(IS(pin(s), -EBUSY, __VA_ARGS__), "a pin is refused")

/* What keeps a node from being pinned, one after the other. */
static void pin_refused(void)
{
	struct dm_user_message m;
	struct stack s;
	struct io *io;

	ext_create(&s, "extents:on");
	REFUSED(&s, "nothing is mapped");
	IS(ext_map(s.fd, 0, ABI_SECTORS, 0, RW), 0, "map all");
	REFUSED(&s, "not clean");
	IS(clean(&s), 0, "clean");
	IS(ext_map(s.fd, ABI_SECTORS - 8, 8, 0, 0), 0, "a hole");
	REFUSED(&s, "a hole at the end");
	IS(ext_map(s.fd, ABI_SECTORS - 8, 8, 0, RO), 0, "map it for reads");
	REFUSED(&s, "a part for reads only");
	IS(ext_map(s.fd, 0, 8, 0, 0), 0, "a hole");
	io = io_start(&s.t, IO_READ, 0, 4096, 0);
	OK(UNTIL(dm_word(s.t.name, "queued:") == 1), "a read is queued");
	IS(ext_map(s.fd, 0, ABI_SECTORS, 0, RW), 0, "map all");
	REFUSED(&s, "a queued request");
	ch_take_type(s.fd, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(dm_word(s.t.name, "clean:"), 1, "a read leaves the daemon clean");
	REFUSED(&s, "a held request");
	IS(ext_remap(s.fd, &m, 0, 0), 0, "answer");
	IS(pin(&s), 0, "a request that is below no longer counts");
	IS(dm_message(s.t.name, "unpin"), 0, "unpin");
	ext_serve(s.low, DM_USER_REQ_MAP_READ, 0, 8);
	io_end_read(io, 0);
	IS(ext_map(s.fd, 0, 8, 0, 0), 0, "a hole");
	io = io_start(&s.t, IO_WRITE, 0, 4096, 1);
	ch_take_type(s.fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(ext_map(s.fd, 0, ABI_SECTORS, 0, RW), 0, "map all");
	IS(dm_message(s.t.name, "fail"), 0, "take the write back");
	IS(io_end(io), -EIO, "the write");
	IS(dm_word(s.t.name, "fenced:"), 1, "a fence");
	REFUSED(&s, "a fenced request");
	IS(ch_answer(s.fd, &m, 0, NULL, 0), 0, "the late answer");
	REFUSED(&s, "no more clean");
	IS(clean(&s), 0, "clean");
	IS(dm_word(s.t.name, "pinned:"), -ENOENT, "not pinned");
	IS(pin(&s), 0, "pin");
	IS(dm_word(s.t.name, "pinned:"), 1, "pinned");
	IS(dm_message(s.below.name, "pin"), -EOPNOTSUPP, "pin without extents:");
	IS(dm_message(s.below.name, "unpin"), -EOPNOTSUPP, "unpin without extents:");
}

/* Take a read, a write and a flush through a pinned device, past the daemon of @fd, if any. */
static void pass(const struct stack *s, int fd)
{
	struct dm_user_message m;
	struct io *io;

	io = io_start(&s->t, IO_READ, 0, 4096, 0);
	ext_serve(s->low, DM_USER_REQ_MAP_READ, 0, 8);
	io_end_read(io, 0);
	io = io_start(&s->t, IO_WRITE_FUA, 4096, 4096, 1);
	ch_take_type(s->low, &m, DM_USER_REQ_MAP_WRITE, NULL);
	OK(m.flags & DM_USER_REQ_MAP_FLAG_FUA, "FUA");
	IS(ch_answer(s->low, &m, 0, NULL, 0), 0, "answer");
	/* O_DSYNC does both. */
	ext_serve(s->low, DM_USER_REQ_MAP_FLUSH, 0, 0);
	IS(io_end(io), 0, "write");
	io = io_start(&s->t, IO_FSYNC, 0, 0, 0);
	ext_serve(s->low, DM_USER_REQ_MAP_FLUSH, 0, 0);
	IS(io_end(io), 0, "flush");
	OK(fd < 0 || ext_idle(fd), "the daemon gets nothing");
}

static void pin_keeps(void)
{
	struct dm_user_extent extent = { 0 };
	struct dm_user_map list = { .extents = (uintptr_t)&extent, .count = 1 };
	struct stack s;
	int next;

	ext_create(&s, "extents:on nodaemon:fail:0");
	IS(ext_map(s.fd, 0, ABI_SECTORS, 0, RW), 0, "map all");
	IS(clean(&s), 0, "clean");
	IS(pin(&s), 0, "pin");
	IS(pin(&s), 0, "pin again");
	NEED(IS(ext_map(s.fd, 0, 8, 0, RW), -EBUSY, "map"), "no change");
	NEED(IS(ext_map(s.fd, 0, 8, 0, 0), -EBUSY, "make a hole"), "no change");
	IS(clean(&s), -EBUSY, "clean");
	IS(dm_message(s.t.name, "unmap"), -EBUSY, "unmap");
	IS(ext_ioctl(s.fd, DM_USER_IOC_LIST, &list), 0, "list");
	IS(list.count, 1, "extents listed");
	IS(ext_ioctl(s.fd, DM_USER_IOC_SYNC, NULL), 0, "sync");
	pass(&s, s.fd);
	IS(dm_message(s.t.name, "fail"), 0, "fail");
	pass(&s, s.fd);
	/* A handover, and the death of all daemons. */
	IS(ch_join(s.fd, 1, DM_USER_JOIN_CREATE), 0, "generation 1");
	next = ch_need(&s.t);
	IS(ch_join(next, 2, DM_USER_JOIN_CREATE), 0, "generation 2");
	IS(ch_drain(s.fd, 0, NULL), 0, "drain");
	close(s.fd);
	pass(&s, next);
	IS(ext_map(next, 0, 8, 0, 0), -EBUSY, "the newcomer makes a hole");
	close(next);
	IS(dm_word(s.t.name, "channels:"), 0, "no daemon");
	pass(&s, -1);
	/* A suspend, with and without flush, and a reload of the same row. */
	for (unsigned int flag = 0; flag <= DM_NOFLUSH_FLAG; flag += DM_NOFLUSH_FLAG) {
		IS(dm_message(s.t.name, "unpin"), 0, "unpin");
		IS(dm_suspend(s.t.name, flag | DM_SKIP_LOCKFS_FLAG), 0, "suspend");
		IS(pin(&s), 0, "pin while suspended");
		IS(dm_resume(s.t.name, 0), 0, "resume");
		IS(dm_word(s.t.name, "pinned:"), 1, "pinned");
		pass(&s, -1);
	}
	IS(dm_message(s.t.name, "unpin"), 0, "unpin");
	IS(dm_message(s.t.name, "unpin"), 0, "unpin again");
	IS(dm_word(s.t.name, "pinned:"), -ENOENT, "not pinned");
	pass(&s, -1);
	next = ch_need(&s.t);
	IS(ch_join(next, 3, DM_USER_JOIN_CREATE), 0, "generation 3");
	IS(ext_map(next, 0, 8, 0, 0), 0, "make a hole");
	target_remove(&s.t);
}

/* The daemon was in the middle of a read when its request was taken back. */
static void pin_sending(void)
{
	struct dm_user_message m;
	struct stack s;
	struct io *io;

	ext_create(&s, "extents:on");
	IS(clean(&s), 0, "clean");
	io = io_start(&s.t, IO_READ, 0, 4096, 0);
	NEED(ch_ready(s.fd, POLLIN), "a request");
	IS(ch_read(s.fd, &m, 8), 8, "read a part of it");
	IS(ext_map(s.fd, 0, ABI_SECTORS, 0, RW), 0, "map all");
	REFUSED(&s, "a request that is being read");
	IS(dm_message(s.t.name, "fail"), 0, "take it back");
	IS(io_end(io), -EIO, "the read");
	IS(pin(&s), 0, "pin, though the daemon does not know yet");
	IS(ch_read(s.fd, &m, sizeof(m)), -ECANCELED, "the rest of it");
	OK(ext_idle(s.fd), "there is no other");
}

static void pin_reload(void)
{
	char args[128], row[256];
	struct stack s;

	ext_create(&s, "extents:on");
	ext_row(args, sizeof(args), &s.below, "extents:on");
	dm_row(row, sizeof(row), s.t.ctl, args);
	IS(ext_map(s.fd, 0, ABI_SECTORS, 0, RW), 0, "map all");
	IS(clean(&s), 0, "clean");
	IS(pin(&s), 0, "pin");
	for (unsigned int more = 0; more <= 8; more += 8) {
		IS(dm_load(s.t.name, ABI_SECTORS + more, "user", row), 0, "load %u more", more);
		IS(dm_word(s.t.name, "pinned:"), 1, "a load alone changes nothing");
		IS(dm_suspend(s.t.name, DM_SKIP_LOCKFS_FLAG), 0, "suspend");
		IS(dm_resume(s.t.name, 0), 0, "resume");
		IS(dm_word(s.t.name, "pinned:"), more ? -ENOENT : 1, "pinned with %u more", more);
	}
	REFUSED(&s, "the longer device has a hole");
	IS(ext_map(s.fd, ABI_SECTORS, 8, ABI_SECTORS, RW), 0, "map the hole");
	IS(pin(&s), 0, "pin");
}

/* A client that reads and writes until it is told to end. */
struct client {
	const struct target *t;
	pthread_t thread;
	atomic_bool end;
	atomic_uint done, failed;
};

static void *client_run(void *arg)
{
	struct client *c = arg;

	while (!atomic_load(&c->end)) {
		unsigned int n = atomic_fetch_add(&c->done, 1);

		if (io_do(c->t, n % 3 == 2 ? IO_FSYNC : IO_WRITE, n % 64 * 4096, 4096, n))
			atomic_fetch_add(&c->failed, 1);
	}
	return NULL;
}

/* A few more requests of @c end. */
static bool client_goes_on(struct client *c)
{
	unsigned int before = atomic_load(&c->done);

	return UNTIL(atomic_load(&c->done) > before + 10);
}

/* Extents in two pieces become two rows of dm-linear, under load, in one call. */
static void pin_swap(void)
{
	char rows[256], row[2][64], dev[32];
	unsigned long long start[2], len[2], target[2];
	struct server server;
	struct client c = { 0 };
	struct stack s;
	struct io *io;

	ext_create(&s, "extents:on");
	IS(ext_map(s.fd, 0, 256, 4096, RW), 0, "map some");
	IS(ext_map(s.fd, 256, ABI_SECTORS - 256, 8192, RW), 0, "map the rest");
	IS(clean(&s), 0, "clean");
	close(s.fd);
	server_start(&server, s.low, abi_buffer(2 * ABI_SECTORS * 512));
	c.t = &s.t;
	NEED(!pthread_create(&c.thread, NULL, client_run, &c), "a thread");
	OK(client_goes_on(&c), "the client proceeds");
	IS(pin(&s), 0, "pin");
	IS(dm_ask(s.t.name, "extents", rows, sizeof(rows)), 0, "extents");
	NEED(sscanf(rows, "%llu %llu %31s %llu rw\n%llu %llu %*s %llu rw", &start[0], &len[0], dev,
		    &target[0], &start[1], &len[1], &target[1]) == 7, "two rows: %s", rows);
	OK(start[0] == 0 && start[1] == len[0] && len[0] + len[1] == ABI_SECTORS, "rows: %s", rows);
	for (int i = 0; i < 2; i++)
		snprintf(row[i], sizeof(row[i]), "%s %llu", dev, target[i]);
	IS(dm_load_two(s.t.name, len[0], len[1], "linear", row[0], row[1]), 0, "load");
	IS(dm_resume(s.t.name, DM_SKIP_LOCKFS_FLAG), 0, "swap");
	OK(client_goes_on(&c), "the client proceeds");
	atomic_store(&c.end, true);
	pthread_join(c.thread, NULL);
	IS(atomic_load(&c.failed), 0, "failed requests");
	IS(dm_status(s.t.name, true, rows, sizeof(rows)), 0, "table");
	OK(!strcmp(rows, row[0]), "the first row is \"%s\", not \"%s\"", rows, row[0]);
	/* What the last rounds wrote is where the extents were. */
	io = io_start(&s.t, IO_WRITE, 0, 4096, 77);
	IS(io_end(io), 0, "write");
	OK(abi_filled(server.store + 4096 * 512, 4096, 77), "it is where the first extent was");
	io_end_read(io_start(&s.t, IO_READ, 0, 4096, 0), 77);
}

/* A row with mapped:on, of @sectors after @start, in the place of @s's device. */
static int mapped_load(struct stack *s, uint64_t start, uint64_t sectors, bool read_only)
{
	char args[128], row[256];

	ext_row(args, sizeof(args), &s->below, "extents:on mapped:on");
	dm_row(row, sizeof(row), s->t.ctl, args);
	return read_only ? dm_load_read_only(s->t.name, sectors, "user", row) :
			   dm_load_at(s->t.name, start, sectors, "user", row);
}

static void mapped_begins(void)
{
	struct io *io;
	struct stack s;

	ext_create(&s, "extents:on mapped:on");
	IS(dm_word(s.t.name, "clean:"), 1, "clean");
	IS(dm_word(s.t.name, "mapped:"), ABI_SECTORS, "mapped");
	pass(&s, s.fd);
	IS(pin(&s), 0, "pin");
	close(s.fd);
	pass(&s, -1);
	/* A device that is living keeps its extents, whatever the row says. */
	IS(dm_message(s.t.name, "unpin"), 0, "unpin");
	IS(dm_message(s.t.name, "unmap"), 0, "unmap");
	IS(mapped_load(&s, 0, 4 * ABI_SECTORS, false), 0, "a reload, beyond the backing device");
	IS(dm_suspend(s.t.name, DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	IS(dm_resume(s.t.name, 0), 0, "resume");
	IS(dm_word(s.t.name, "mapped:"), 0, "mapped");
	target_remove(&s.t);
	/* A row that begins later, up to the end of the backing device. */
	IS(dm_create(s.t.name), 0, "create");
	IS(mapped_load(&s, 64, 2 * ABI_SECTORS - 56, false), -EINVAL, "8 sectors too many");
	IS(mapped_load(&s, 64, 2 * ABI_SECTORS - 64, false), 0, "load");
	IS(dm_resume(s.t.name, 0), 0, "resume");
	io = io_start(&s.t, IO_READ, 64 * 512, 4096, 0);
	ext_serve(s.low, DM_USER_REQ_MAP_READ, 64, 8);
	io_end_read(io, 64);
	IS(dm_remove(s.t.name), 0, "remove");
}

static void mapped_read_only(void)
{
	struct stack s;
	struct io *io;

	ext_create(&s, "extents:on");
	close(s.fd);
	target_remove(&s.t);
	IS(dm_create(s.t.name), 0, "create");
	IS(mapped_load(&s, 0, ABI_SECTORS, true), 0, "load for reads");
	IS(dm_resume(s.t.name, DM_READONLY_FLAG), 0, "resume");
	io = io_start(&s.t, IO_READ, 0, 4096, 0);
	ext_serve(s.low, DM_USER_REQ_MAP_READ, 0, 8);
	io_end_read(io, 0);
	IS(pin(&s), 0, "pin of what can only be read");
	IS(mapped_load(&s, 0, ABI_SECTORS, false), 0, "load for writes");
	IS(dm_suspend(s.t.name, DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	IS(dm_resume(s.t.name, 0), 0, "resume");
	NEED(IS(dm_word(s.t.name, "pinned:"), -ENOENT, "not pinned"), "the write may wait");
	io = io_start(&s.t, IO_WRITE, 0, 4096, 1);
	NEED(UNTIL(dm_word(s.t.name, "queued:") == 1), "a write waits for a daemon");
	IS(dm_message(s.t.name, "fail"), 0, "fail");
	IS(io_end(io), -EIO, "the write");
}

/* A row of dm-linear becomes one of dm-user, under load, without a daemon. */
static void mapped_swap(void)
{
	char args[128], linear[160];
	struct client c = { 0 };
	struct server server;
	struct stack s;

	ext_create(&s, "extents:on");
	close(s.fd);
	target_remove(&s.t);
	ext_row(args, sizeof(args), &s.below, "");
	snprintf(linear, sizeof(linear), "%s0", args + strlen("backing:"));
	IS(dm_create(s.t.name), 0, "create");
	IS(dm_load(s.t.name, ABI_SECTORS, "linear", linear), 0, "load %s", linear);
	IS(dm_resume(s.t.name, 0), 0, "resume");
	server_start(&server, s.low, abi_buffer(2 * ABI_SECTORS * 512));
	c.t = &s.t;
	NEED(!pthread_create(&c.thread, NULL, client_run, &c), "a thread");
	OK(client_goes_on(&c), "the client proceeds");
	IS(mapped_load(&s, 0, ABI_SECTORS, false), 0, "load");
	IS(dm_resume(s.t.name, DM_SKIP_LOCKFS_FLAG), 0, "swap");
	OK(client_goes_on(&c), "the client proceeds");
	IS(dm_word(s.t.name, "queued:"), 0, "queued");
	atomic_store(&c.end, true);
	pthread_join(c.thread, NULL);
	IS(atomic_load(&c.failed), 0, "failed requests");
	OK(dm_word(s.t.name, "mapped_writes:") > 0, "writes were mapped");
}

const struct abi_test abi_extents_pin[] = {
	{ "refused", pin_refused, "P14: a pin needs all mapped, and nothing at daemons" },
	{ "keeps", pin_keeps, "P14: no daemon gets a request of a pinned device" },
	{ "sending", pin_sending, "P14: a request that is being read delays a pin" },
	{ "reload", pin_reload, "P14: a pin does not outlive a reload that leaves a hole" },
	{ "swap", pin_swap, "P14: rows of dm-linear replace a pinned table under load" },
	{ "mapped", mapped_begins, "P14: with mapped:on, a new device needs no daemon" },
	{ "read-only", mapped_read_only, "P14: mapped:on maps a read-only device for reads" },
	{ "swap-back", mapped_swap, "P14: a row with mapped:on replaces dm-linear under load" },
	{ NULL, NULL, NULL }
};
