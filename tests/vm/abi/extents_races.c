// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Extents that come and go, pins, suspends and a daemon, side by side, under clients that know what
 * they must read. And backing devices that fail.
 */
#include <errno.h>
#include <linux/dm-ioctl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "extents.h"

#define PINS	20
#define BLOCKS	16		/* of 4096 bytes, of each client */

struct race {
	struct stack s;
	atomic_uint ios, remapped;
	atomic_bool end;
};

struct client {
	struct race *race;
	unsigned int number;
	pthread_t thread;
};

/* Write and read back, in a range of its own. */
static void *client_run(void *arg)
{
	struct client *c = arg;
	struct race *r = c->race;

	for (unsigned int n = 0; !atomic_load(&r->end); n++) {
		uint64_t at = (c->number * BLOCKS + n % BLOCKS) * 4096ULL;

		IS(io_do(&r->s.t, IO_WRITE, at, 4096, n), 0, "write");
		io_end_read(io_start(&r->s.t, IO_READ, at, 4096, 0), n);
		if (n % 4 == 0)
			IS(io_do(&r->s.t, IO_FSYNC, 0, 0, 0), 0, "flush");
		atomic_fetch_add(&r->ios, 1);
	}
	return NULL;
}

/* A daemon that has no data: whatever it gets, it sends to where an extent would have. */
static void *daemon_run(void *arg)
{
	struct race *r = arg;
	struct dm_user_message m;
	int err;

	while ((err = ch_take(r->s.fd, &m, NULL, 0)) != -ENOTBLK) {
		if (err == -ECANCELED)
			continue;
		IS(err, 0, "take a request");
		/* Others run while it is held. */
		if (atomic_fetch_add(&r->remapped, 1) % 2)
			abi_nap();
		if (m.type == DM_USER_REQ_MAP_FLUSH)
			err = ch_answer(r->s.fd, &m, DM_USER_RESP_SUCCESS, NULL, 0);
		else
			err = ext_remap(r->s.fd, &m, m.sector, 0);
		IS(err, 0, "answer");
	}
	return NULL;
}

/* Requests are taken back, and come again, until the end. */
static void *suspend_run(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->end)) {
		unsigned int before = atomic_load(&r->ios);

		IS(dm_suspend(r->s.t.name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG), 0, "suspend");
		IS(dm_resume(r->s.t.name, 0), 0, "resume");
		OK(UNTIL(atomic_load(&r->ios) > before), "clients proceed");
	}
	return NULL;
}

/* Requests that the daemon has answered before they were taken back. */
static long long answered(const struct race *r)
{
	return dm_word(r->s.t.name, "remapped:") + dm_word(r->s.t.name, "flushes:");
}

/* While the node is pinned, clients proceed, and the daemon gets nothing. */
static void check_pinned(struct race *r)
{
	unsigned int ios = atomic_load(&r->ios);
	long long before = answered(r);

	IS(ext_map(r->s.fd, 0, 8, 0, 0), -EBUSY, "a hole in a pinned device");
	OK(UNTIL(atomic_load(&r->ios) > ios + 2), "clients proceed");
	IS(dm_word(r->s.t.name, "queued:"), 0, "queued");
	IS(answered(r), before, "requests of the daemon");
}

static void races_pin(void)
{
	struct client clients[2];
	struct server below;
	pthread_t daemon, suspender;
	struct race r = { 0 };
	unsigned int pins = 0, seed = 1;

	ext_create(&r.s, "extents:on");
	server_start(&below, r.s.low, abi_buffer(2 * ABI_SECTORS * 512));
	NEED(!pthread_create(&daemon, NULL, daemon_run, &r), "a daemon");
	for (unsigned int i = 0; i < 2; i++) {
		clients[i] = (struct client){ .race = &r, .number = i };
		NEED(!pthread_create(&clients[i].thread, NULL, client_run, &clients[i]),
		     "a client");
	}
	NEED(!pthread_create(&suspender, NULL, suspend_run, &r), "a thread");
	while (pins < PINS && !abi_failures) {
		unsigned int first = rand_r(&seed) % (2 * BLOCKS), before = atomic_load(&r.ios);

		IS(ext_map(r.s.fd, first * 8, 8 * (1 + rand_r(&seed) % 8), 0, 0), 0, "a hole");
		IS(ext_ioctl(r.s.fd, DM_USER_IOC_SYNC, NULL), 0, "sync");
		OK(UNTIL(atomic_load(&r.ios) > before), "clients proceed");
		IS(ext_map(r.s.fd, 0, ABI_SECTORS, 0, RW), 0, "map all");
		/* Writes that are with the daemon go away, and no other comes. */
		if (!OK(UNTIL(ext_ioctl(r.s.fd, DM_USER_IOC_CLEAN, NULL) == 0), "clean"))
			break;
		if (dm_message(r.s.t.name, "pin"))
			continue;
		pins++;
		check_pinned(&r);
		IS(dm_message(r.s.t.name, "unpin"), 0, "unpin");
		if (pins % 4 == 0)
			IS(dm_message(r.s.t.name, "unmap"), 0, "unmap");
	}
	atomic_store(&r.end, true);
	pthread_join(suspender, NULL);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(clients[i].thread, NULL);
	OK(atomic_load(&r.remapped) > 0, "the daemon got requests");
	target_remove(&r.s.t);
	pthread_join(daemon, NULL);
	close(r.s.fd);
}

/* The backing device fails all I/O from now on, also what it has. */
static void races_death(void)
{
	struct dm_user_message m;
	struct io *held, *sent;
	struct stack s;

	ext_create(&s, "extents:on");
	IS(ext_map(s.fd, 0, ABI_SECTORS - 8, 0, RW), 0, "map");
	held = io_start(&s.t, IO_WRITE, 0, 4096, 1);
	ch_take_type(s.low, &m, DM_USER_REQ_MAP_WRITE, NULL);
	sent = io_start(&s.t, IO_READ, (ABI_SECTORS - 8) * 512, 4096, 0);
	ch_take_type(s.fd, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(ext_remap(s.fd, &m, 8, 0), 0, "remap");
	OK(UNTIL(dm_word(s.below.name, "queued:") == 1), "it has arrived");
	IS(dm_wipe(s.below.name), 0, "the end of the backing device");
	IS(io_end(held), -EIO, "a write that it had");
	IS(io_end(sent), -EIO, "a read that was sent there");
	IS(io_do(&s.t, IO_READ, 0, 4096, 0), -EIO, "a new read");
	IS(io_do(&s.t, IO_WRITE, 4096, 4096, 1), -EIO, "a new write");
	/* What daemons do goes on, and so does the rest of the device. */
	IS(ext_ioctl(s.fd, DM_USER_IOC_SYNC, NULL), 0, "sync");
	IS(ext_map(s.fd, 0, 8, 0, 0), 0, "unmap a part");
	held = io_start(&s.t, IO_READ, 0, 4096, 0);
	ext_serve(s.fd, DM_USER_REQ_MAP_READ, 0, 8);
	io_end_read(held, 0);
	IS(dm_message(s.t.name, "unmap"), 0, "unmap");
	IS(dm_suspend(s.t.name, DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	IS(dm_resume(s.t.name, 0), 0, "resume");
	close(s.fd);
	target_remove(&s.t);
}

const struct abi_test abi_extents_races[] = {
	{ "pin", races_pin, "P1, P14: extents, pins and suspends under load: each write is found" },
	{ "death", races_death, "P2: a backing device that dies fails what is mapped, no more" },
	{ NULL, NULL, NULL }
};
