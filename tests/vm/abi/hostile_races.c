// SPDX-License-Identifier: GPL-2.0-or-later
/* Hostile daemons, an honest daemon, clients, an administrator and module unloads, all at once. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostile.h"

#define HEADER		sizeof(struct dm_user_message)
#define LONGEST		16384
#define HOLDS		6

/* ---- a daemon that serves one channel after the other, each in the newest generation ---- */

struct actor {
	const struct target *t;
	pthread_t thread;
	atomic_bool *stop;
	unsigned int seed;
	bool hostile;
	atomic_ulong done;		/* requests answered, or reads and writes that ended */
	unsigned long good;
	int fd;
	struct dm_user_message held[HOLDS];
	unsigned int count;
	uint8_t *buf;			/* 2 * (HEADER + LONGEST) bytes */
};

/* Join the newest generation, or create the next if that has no channel or drains. */
static bool actor_join(struct actor *a)
{
	struct dm_user_info info;
	int err;

	if (ch_info(a->fd, &info))
		return false;
	err = info.newest_generation ? ch_join(a->fd, info.newest_generation, 0) : -ENOENT;
	if (err == -ENOENT || err == -ESHUTDOWN)
		err = ch_join(a->fd, info.newest_generation + 1, DM_USER_JOIN_CREATE);
	return !err;
}

static void actor_leave(struct actor *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	a->count = 0;
}

static bool actor_enter(struct actor *a)
{
	if (a->fd >= 0)
		return true;
	a->fd = ch_open(a->t);
	if (a->fd >= 0 && !actor_join(a))
		actor_leave(a);
	/* A daemon that waits for the next request answers no other request. */
	if (a->fd >= 0)
		ch_nonblock(a->fd, true);
	else
		abi_nap();
	return a->fd >= 0;
}

/* Take a request and check the client's signature. 0, or the -errno to leave the channel for. */
static int actor_take(struct actor *a)
{
	struct dm_user_message *m = &a->held[a->count];
	size_t chunk = a->hostile ? rand_r(&a->seed) % 3 * 1000 : 0;
	int err;

	memset(m, 0, sizeof(*m));
	err = ch_take(a->fd, m, a->buf, chunk);
	/* The kernel took the request back, or another daemon took it. */
	if (err == -ECANCELED || err == -EAGAIN)
		return 0;
	if (err)
		return err;
	NEED(m->len <= LONGEST, "a request of %llu bytes", (unsigned long long)m->len);
	if (m->type == DM_USER_REQ_MAP_WRITE)
		OK(is_signed(a->buf, m->sector, m->len, CLIENT),
		   "a daemon gets the client's bytes");
	a->count++;
	return 0;
}

static size_t actor_compose(struct actor *a, const struct dm_user_message *m, enum signer signer)
{
	struct dm_user_message header = { .seq = m->seq, .flags = ~0ULL, .len = rand_r(&a->seed) };
	uint8_t *payload = a->buf + HEADER + LONGEST;

	memcpy(a->buf, &header, HEADER);
	if (m->type != DM_USER_REQ_MAP_READ)
		return HEADER;
	sign(payload, m->sector, m->len, signer);
	memcpy(a->buf + HEADER, payload, m->len);
	return HEADER + m->len;
}

/* Answer the request that was taken last, to the end. */
static int actor_answer(struct actor *a)
{
	size_t len = actor_compose(a, &a->held[--a->count], HONEST);

	for (size_t at = 0; at < len; ) {
		size_t want = a->hostile && rand_r(&a->seed) & 1 ?
			1 + rand_r(&a->seed) % (len - at) : len - at;
		ssize_t put = ch_write(a->fd, a->buf + at, want);

		if (put < 0)
			return put;
		at += put;
	}
	a->done++;
	return 0;
}

/* Do what no daemon should do. True if the channel is of no use afterwards. */
static bool actor_misbehave(struct actor *a)
{
	struct dm_user_drain drain;
	int made;

	switch (rand_r(&a->seed) % 10) {
	case 0:		/* an answer that is never ended */
		if (a->count) {
			size_t len = actor_compose(a, &a->held[0], POISON);

			ch_write(a->fd, a->buf, 1 + rand_r(&a->seed) % (len - 1));
		}
		return true;
	case 1:		/* a request that is never read to its end */
		if (ch_poll(a->fd) & POLLIN)
			ch_read(a->fd, a->buf, 1 + rand_r(&a->seed) % 39);
		return true;
	case 2:
		ch_drain(a->fd, 0, &drain);
		return ch_drain(a->fd, DM_USER_DRAIN_UNDO, &drain) != 0;
	case 3:
		ch_join(a->fd, (uint64_t)rand_r(&a->seed) << (rand_r(&a->seed) % 33),
			rand_r(&a->seed) & 1);
		return false;
	case 4:
		memset(a->buf, 0xff, HEADER);
		ch_write(a->fd, a->buf, 8000);
		return false;
	case 5:
		made = ch_new(a->fd);
		if (made >= 0)
			close(made);
		return false;
	case 6:
		ch_read(a->fd, (void *)8, 4096);
		ch_write(a->fd, (void *)8, 4096);
		return true;
	case 7:
		ch_seal(a->fd);
		return false;
	default:
		return false;
	}
}

static void *actor_daemon(void *arg)
{
	struct actor *a = arg;

	a->buf = abi_buffer(2 * (HEADER + LONGEST));
	while (!*a->stop) {
		unsigned int want = a->hostile ? 1 + rand_r(&a->seed) % HOLDS : 1;
		int err = 0;

		if (!actor_enter(a))
			continue;
		if (!(ch_poll(a->fd) & (POLLIN | POLLHUP)))
			abi_nap();
		while (!err && a->count < want && ch_poll(a->fd) & POLLIN)
			err = actor_take(a);
		if (!err && a->hostile && rand_r(&a->seed) % 4 == 0 && actor_misbehave(a))
			err = -ECONNRESET;
		while (!err && a->count)
			err = actor_answer(a);
		if (err)
			actor_leave(a);
	}
	actor_leave(a);
	free(a->buf);
	return NULL;
}

static void *actor_client(void *arg)
{
	struct actor *a = arg;
	uint8_t *buf = abi_buffer(LONGEST);
	int fd = -1;

	while (!*a->stop) {
		uint64_t at = rand_r(&a->seed) % 512 * 4096;
		size_t len = 512 << rand_r(&a->seed) % 6;
		bool write = rand_r(&a->seed) % 3 == 0;
		ssize_t done;

		if (fd < 0)
			fd = open(a->t->dev, O_RDWR | O_DIRECT | O_CLOEXEC);
		memset(buf, 0xee, len);
		if (write)
			sign(buf, at / 512, len, CLIENT);
		done = write ? pwrite(fd, buf, len, at) : pread(fd, buf, len, at);
		if (!write && done == (ssize_t)len)
			OK(is_signed(buf, at / 512, len, HONEST),
			   "a successful read has the bytes of a completed answer");
		else if (!write)
			OK(is_untouched_or_signed(buf, at / 512, len),
			   "a failed read brings no foreign byte");
		a->done++;
		a->good += done == (ssize_t)len;
		if (done < 0)
			abi_nap();
	}
	close(fd);
	free(buf);
	return NULL;
}

/* ---- the administrator ---- */

#define DAEMONS	3
#define CLIENTS	3

struct storm {
	struct target t;
	struct actor daemons[DAEMONS], clients[CLIENTS];
	atomic_bool stop;
	unsigned int seed;
};

static void storm_start(struct storm *s)
{
	memset(s, 0, sizeof(*s));
	target_create(&s->t, "max_io:16384");
	for (int i = 0; i < DAEMONS; i++) {
		s->daemons[i] = (struct actor){ .t = &s->t, .stop = &s->stop, .seed = i,
						.hostile = i > 0, .fd = -1 };
		NEED(!pthread_create(&s->daemons[i].thread, NULL, actor_daemon, &s->daemons[i]),
		     "create a thread");
	}
	for (int i = 0; i < CLIENTS; i++) {
		s->clients[i] = (struct actor){ .t = &s->t, .stop = &s->stop, .seed = 100 + i,
						.fd = -1 };
		NEED(!pthread_create(&s->clients[i].thread, NULL, actor_client, &s->clients[i]),
		     "create a thread");
	}
}

static unsigned long storm_done(struct storm *s)
{
	unsigned long done = 0;

	for (int i = 0; i < CLIENTS; i++)
		done += s->clients[i].done;
	return done;
}

/* Check that I/O still completes. */
static void storm_goes_on(struct storm *s, const char *after)
{
	unsigned long before = storm_done(s);

	/* Unseal it each time: a daemon may seal the node and leave. */
	NEED(UNTIL((dm_message(s->t.name, "unseal"), storm_done(s) > before + 2)),
	     "I/O goes on after %s", after);
}

static void storm_stop(struct storm *s)
{
	unsigned long answered = 0, good = 0;

	s->stop = true;
	/* Clients may wait for a daemon that has left already. */
	IS(dm_wipe(s->t.name), 0, "replace the table");
	for (int i = 0; i < DAEMONS; i++) {
		pthread_join(s->daemons[i].thread, NULL);
		answered += s->daemons[i].done;
	}
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(s->clients[i].thread, NULL);
		good += s->clients[i].good;
	}
	OK(answered > 0 && good > 0,
	   "%lu requests answered, %lu operations succeeded", answered, good);
	printf("# %lu requests answered, %lu operations succeeded\n", answered, good);
	target_remove(&s->t);
}

static void storm_load(struct storm *s, const char *args)
{
	char row[256];

	dm_row(row, sizeof(row), s->t.ctl, args);
	IS(dm_load(s->t.name, s->t.sectors, "user", row), 0, "load %s", row);
}

/* Do one thing that an administrator may do; return its name. */
static const char *storm_disturb(struct storm *s)
{
	const uint32_t quick = DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG;
	const char *name = s->t.name;
	struct dm_user_info info;
	char text[32];
	int fd;

	switch (rand_r(&s->seed) % 9) {
	case 0:
		IS(dm_suspend(name, 0), 0, "suspend");
		IS(dm_resume(name, 0), 0, "resume");
		return "a suspend";
	case 1:
		IS(dm_suspend(name, quick), 0, "noflush suspend");
		IS(dm_resume(name, quick), 0, "resume");
		return "a noflush suspend";
	case 2:
		storm_load(s, rand_r(&s->seed) & 1 ? "max_io:16384 orphans:fail" : "max_io:16384");
		IS(dm_suspend(name, quick), 0, "noflush suspend");
		IS(dm_resume(name, quick), 0, "resume");
		return "a reload, noflush";
	case 3:
		storm_load(s,
			   rand_r(&s->seed) & 1 ? "max_io:16384 nodaemon:fail:1" : "max_io:16384");
		IS(dm_suspend(name, 0), 0, "suspend");
		IS(dm_resume(name, 0), 0, "resume");
		return "a reload";
	case 4:
		IS(dm_wipe(name), 0, "replace the table");
		storm_load(s, "max_io:16384");
		IS(dm_suspend(name, quick), 0, "noflush suspend");
		IS(dm_resume(name, quick), 0, "resume");
		return "a forced change of tables";
	case 5:
		IS(dm_message(name, "fail"), 0, "message fail");
		return "fail";
	case 6:
		dm_message(name, "unseal");
		fd = ch_open(&s->t);
		if (fd >= 0 && !ch_info(fd, &info)) {
			snprintf(text, sizeof(text),
				 "drain %llu", (unsigned long long)info.newest_generation);
			dm_message(name, text);
		}
		if (fd >= 0)
			close(fd);
		return "a drain";
	case 7:
		IS(dm_remove(name), -EBUSY, "remove a device in use");
		return "a removal";
	default:
		IS(syscall(SYS_delete_module, "dm_user", O_NONBLOCK) < 0 ? -errno : 0, -EWOULDBLOCK,
		   "unload a module in use");
		return "an unload";
	}
}

static void races_storm(void)
{
	unsigned int want = rounds(12);
	struct bystander by;
	struct storm s;

	bystander_start(&by);
	storm_start(&s);
	for (unsigned int round = 0; round < want; round++) {
		storm_goes_on(&s, storm_disturb(&s));
		if (round % 8 == 0)
			bystander_check(&by, "a storm");
	}
	storm_stop(&s);
	bystander_stop(&by);
}

/* ---- drains and undos without a pause ---- */

struct pump {
	int fd;
	pthread_t thread;
	atomic_bool *stop;
	unsigned long turns;
};

static void *pump_thread(void *arg)
{
	struct pump *p = arg;
	struct dm_user_drain drain;

	while (!*p->stop) {
		int err = ch_drain(p->fd, 0, &drain);

		OK(!err && (drain.state == DM_USER_DRAINING || drain.state == DM_USER_DRAINED),
		   "drain: %d", err);
		err = ch_drain(p->fd, DM_USER_DRAIN_UNDO, &drain);
		OK(err == -EALREADY || (!err && drain.state == DM_USER_SERVING), "undo: %d", err);
		p->turns++;
		if (err)
			break;
		sched_yield();
	}
	return NULL;
}

/*
 * One channel holds a request all the time, so that no drain is complete. Another channel of the
 * generation serves whenever the generation does.
 */
static void races_drain(void)
{
	struct dm_user_message m, kept;
	atomic_bool stop = false;
	struct pump pump[2];
	uint8_t *buf = abi_buffer(4096), byte;
	struct bystander by;
	struct target t;
	struct io *keep, *io;
	int keeper, fd;

	bystander_start(&by);
	target_create(&t, NULL);
	keeper = ch_need(&t);
	fd = ch_need(&t);
	IS(ch_join(keeper, 1, DM_USER_JOIN_CREATE), 0, "create 1");
	IS(ch_join(fd, 1, 0), 0, "join 1");
	keep = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(keeper, &kept, DM_USER_REQ_MAP_READ, NULL);
	for (int i = 0; i < 2; i++) {
		pump[i] = (struct pump){ .fd = i ? fd : keeper, .stop = &stop };
		NEED(!pthread_create(&pump[i].thread, NULL, pump_thread, &pump[i]),
		     "create a thread");
	}
	for (unsigned int round = 0; round < rounds(20); round++) {
		uint64_t end = abi_now_ms() + ABI_WAIT_MS;
		int err;

		io = io_start(&t, IO_READ, 8192, 4096, 0);
		while ((err = ch_take(fd, &m, NULL, 0)) == -ESHUTDOWN && abi_now_ms() < end)
			sched_yield();
		NEED(IS(err, 0, "a request comes between an undo and the next drain"), "a request");
		abi_fill(buf, 4096, round);
		IS(ch_answer(fd, &m, 0, buf, 0), 0, "answer");
		io_end_read(io, round);
	}
	bystander_check(&by, "drains without a pause");
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(pump[i].thread, NULL);
	OK(pump[0].turns && pump[1].turns, "%lu and %lu drains", pump[0].turns, pump[1].turns);
	/* The generation drains with one answer still to come. */
	IS(ch_drain(fd, 0, NULL), 0, "drain");
	abi_fill(buf, 4096, 77);
	IS(ch_answer(keeper, &kept, 0, buf, 0), 0, "the last answer");
	io_end_read(keep, 77);
	IS(ch_drain(keeper, DM_USER_DRAIN_UNDO, NULL), -EALREADY,
	   "a complete drain cannot be undone");
	IS(ch_read(fd, &byte, 1), 0, "a drained channel gets no request");
	close(fd);
	close(keeper);
	target_remove(&t);
	free(buf);
	bystander_stop(&by);
}

/* ---- opens of a node that comes and goes ---- */

struct opener {
	struct target t;
	pthread_t thread;
	atomic_bool stop;
	atomic_uint opened;
};

static void *opener_thread(void *arg)
{
	struct opener *o = arg;

	while (!o->stop) {
		struct dm_user_info info;
		int fd = ch_open(&o->t);

		if (fd < 0) {
			sched_yield();
			continue;
		}
		o->opened++;
		/* An early open finds the final values, too. */
		if (!ch_info(fd, &info))
			OK(info.sectors == ABI_SECTORS && info.max_io_bytes == 16384 &&
			   info.dev_major,
			   "info of a fresh node: %llu sectors", (unsigned long long)info.sectors);
		close(fd);
	}
	return NULL;
}

/* KASAN of user-mode Linux takes a module's second load for an overflow of the first one's data. */
static bool module_loads_once(void)
{
	return !access("/proc/exitcode", F_OK);
}

static bool module_load(void)
{
	if (module_loads_once())
		return true;
	return !system("modprobe dm-user 2>/dev/null || insmod /dm-user.ko 2>/dev/null || "
		       "[ -d /sys/module/dm_user ]");
}

static int module_unload(void)
{
	return syscall(SYS_delete_module, "dm_user", O_NONBLOCK) < 0 ? -errno : 0;
}

/* Unload the module, unless it cannot be loaded again. */
static bool module_goes(void)
{
	return module_loads_once() || !module_unload();
}

/* The module unloads exactly if there is no target and no channel, even of a removed target. */
static void races_unload(void)
{
	struct opener o = { 0 };
	struct target t;
	int fd, made, sock[2];

	for (unsigned int round = 0; round < rounds(2); round++) {
		target_create(&t, NULL);
		IS(module_unload(), -EWOULDBLOCK, "unload with a target");
		fd = ch_need(&t);
		made = ch_new(fd);
		target_remove(&t);
		IS(module_unload(), -EWOULDBLOCK, "unload with two channels of a removed target");
		close(fd);
		IS(module_unload(), -EWOULDBLOCK,
		   "unload with a channel from a channel, of a removed target");
		NEED(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock) && !fd_send(sock[0], made),
		     "pass the channel on");
		close(made);
		IS(module_unload(), -EWOULDBLOCK, "unload with a channel in a socket");
		close(sock[0]);
		close(sock[1]);
		NEED(UNTIL(module_goes()), "the module unloads");
		NEED(module_load(), "the module loads");
	}
	snprintf(o.t.ctl, sizeof(o.t.ctl), "%s", ABI_CTL);
	NEED(!pthread_create(&o.thread, NULL, opener_thread, &o), "create a thread");
	for (unsigned int round = 0; round < rounds(4); round++) {
		target_create(&t, "max_io:16384");
		/* A failed open may request a module: on a slow guest the next open comes late. */
		NEED(UNTIL(o.opened > round), "the other thread opens the node");
		OK(module_unload() < 0, "unload with a target");
		target_remove(&t);
		NEED(UNTIL(module_goes()),
		     "the module unloads while a thread tries to open the node");
		NEED(module_load(), "the module loads");
	}
	o.stop = true;
	pthread_join(o.thread, NULL);
}

/* ---- many writes of one block, taken back ---- */

#define PILE	8000

struct pile {
	struct target t;
	struct io_uring ring;
	unsigned int count;
	uint8_t *buf;
	int dev, fd;
};

/* Submit @count writes of the same block. */
static void pile_start(struct pile *p, unsigned int count)
{
	memset(p, 0, sizeof(*p));
	p->count = count;
	p->buf = abi_buffer(4096);
	abi_fill(p->buf, 4096, 1);
	target_create(&p->t, NULL);
	p->fd = ch_need(&p->t);
	p->dev = open(p->t.dev, O_WRONLY | O_DIRECT | O_CLOEXEC);
	NEED(p->dev >= 0, "open the device");
	NEED(IS(io_uring_queue_init(PILE, &p->ring, 0), 0, "io_uring_queue_init"), "set up a ring");
	for (unsigned int i = 0; i < count; i++)
		io_uring_prep_write(io_uring_get_sqe(&p->ring), p->dev, p->buf, 4096, 0);
	IS(io_uring_submit(&p->ring), count, "submit writes");
}

static void pile_take(struct pile *p)
{
	struct dm_user_message m;

	for (unsigned int i = 0; i < p->count; i++)
		ch_take_type(p->fd, &m, DM_USER_REQ_MAP_WRITE, p->buf);
}

/* Fail all writes. */
static void pile_end(struct pile *p)
{
	struct io_uring_cqe *cqe;

	IS(dm_wipe(p->t.name), 0, "replace the table");
	for (unsigned int i = 0; i < p->count; i++) {
		NEED(!io_uring_wait_cqe(&p->ring, &cqe), "a write ends");
		OK(cqe->res < 0, "write: %d", cqe->res);
		io_uring_cqe_seen(&p->ring, cqe);
	}
	io_uring_queue_exit(&p->ring);
	close(p->dev);
	free(p->buf);
	target_remove(&p->t);
}

static uint64_t cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (usage.ru_stime.tv_sec + usage.ru_utime.tv_sec) * 1000000ULL +
		usage.ru_stime.tv_usec + usage.ru_utime.tv_usec;
}

/*
 * Writes of one block are taken back and wait behind their fenced claims. A close must not pass
 * them on from claim to claim: the cost, under a lock, would grow with the square of their number.
 * The test compares the close with the reads of as many writes, which cost more than a good close,
 * and a tenth of a bad close.
 */
static void races_pile(void)
{
	unsigned int count = rounds(1) > 1 ? PILE : PILE / 4;
	uint64_t taking, closing;
	struct pile pile;

	pile_start(&pile, count);
	taking = cpu_us();
	pile_take(&pile);
	taking = cpu_us() - taking;
	take_back(&pile.t);
	OK(UNTIL(dm_word(pile.t.name, "queued:") == count), "all writes wait again");
	IS(dm_word(pile.t.name, "fenced:"), count, "all claims are fenced");
	closing = cpu_us();
	close(pile.fd);
	closing = cpu_us() - closing;
	OK(closing < 4 * taking, "the close took %llu us, the reads took %llu us",
	   (unsigned long long)closing, (unsigned long long)taking);
	printf("# the close took %llu us, the reads took %llu us\n", (unsigned long long)closing,
	       (unsigned long long)taking);
	OK(UNTIL(dm_word(pile.t.name, "fenced:") == 0), "the close ends the fences");
	IS(dm_word(pile.t.name, "queued:"), count, "no write was lost");
	pile_end(&pile);
}

const struct abi_test abi_hostile_races[] = {
	{ "storm", races_storm,
	  "P1, P10, P11: suspend, reload, force, fail, drain, unload under hostile daemons" },
	{ "drain", races_drain, "P1: drains and undos without a pause lose nothing" },
	{ "unload", races_unload,
	  "P11: the module unloads when there is no channel, and not before" },
	{ "pile", races_pile,
	  "P10: the cost of a close is that of its claims and the waiting requests" },
	{ NULL, NULL, NULL }
};
