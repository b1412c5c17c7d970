// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The client: I/O on the device, O_DIRECT and asynchronous, so that any thread can have much of it
 * in flight. The ring of completions is read in place. Helper threads make the I/O that only
 * synchronous calls can request.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz.h"

#define SLOTS		(FZ_IOS + FZ_HELPERS)
#define RWF_SYNCED	0x2	/* RWF_DSYNC: FUA, where the device has it */

enum io_state { IO_FREE, IO_FILLING, IO_ASKED, IO_BUSY, IO_DONE };

struct io {
	atomic_uint state;
	unsigned int turn;		/* uses of this slot: its completions name theirs */
	enum fz_io_type type;
	unsigned int sector, count;
	uint64_t born, token;
	uint8_t *map, *buffer;
	struct iovec iov[4];
	struct iocb cb;
	long result;			/* of helpers */
};

struct ring {
	unsigned int id, nr, head, tail, magic, compat, incompat, header;
	struct io_event events[];
};

static struct io ios[SLOTS];
static struct ring *ring;
static aio_context_t context;
static int device = -1;
static atomic_uint in_flight;
static atomic_flag reaping = ATOMIC_FLAG_INIT;

static void *helper_main(void *arg)
{
	struct io *io = arg;

	for (;;) {
		unsigned int state;
		uint64_t range[2];

		while ((state = atomic_load(&io->state)) != IO_ASKED)
			syscall(SYS_futex, &io->state, FUTEX_WAIT_PRIVATE, state, NULL, NULL, 0);
		atomic_store(&io->state, IO_BUSY);
		range[0] = io->sector * (uint64_t)FZ_SECTOR;
		range[1] = io->count * (uint64_t)FZ_SECTOR;
		if (io->type == FZ_IO_ZERO)
			io->result = fallocate(device, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					       range[0], range[1]);
		else
			io->result = ioctl(device, io->type == FZ_IO_DISCARD ? BLKDISCARD :
					   BLKSECDISCARD, range);
		if (io->result < 0)
			io->result = -errno;
		atomic_store(&io->state, IO_DONE);
		while (atomic_load(&io->state) == IO_DONE)
			syscall(SYS_futex, &io->state, FUTEX_WAIT_PRIVATE, IO_DONE, NULL, NULL, 0);
	}
	return NULL;
}

void fz_client_init(void)
{
	pthread_t thread;

	if (syscall(SYS_io_setup, SLOTS * 2, &context))
		fz_stuck("io_setup");
	ring = (void *)context;
	if (ring->magic != 0xa10a10a1)
		fz_stuck("the layout of the ring");
	for (unsigned int i = 0; i < SLOTS; i++) {
		ios[i].map = mmap(NULL, FZ_IO_BYTES + FZ_PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (ios[i].map == MAP_FAILED)
			fz_stuck("memory");
		if (i >= FZ_IOS && pthread_create(&thread, NULL, helper_main, &ios[i]))
			fz_stuck("a thread");
	}
}

void fz_client_open(const char *dev)
{
	device = open(dev, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (device < 0)
		fz_stuck(dev);
}

void fz_client_close(void)
{
	close(device);
	device = -1;
}

unsigned int fz_client_in_flight(void)
{
	return atomic_load(&in_flight);
}

static bool io_writes(const struct io *io)
{
	return io->type != FZ_IO_READ && io->type != FZ_IO_FSYNC;
}

static bool io_has_type(const struct io *io, unsigned int type)
{
	switch (type) {
	case DM_USER_REQ_MAP_READ:
		return io->type == FZ_IO_READ;
	case DM_USER_REQ_MAP_WRITE:
		return io->type == FZ_IO_WRITE;
	case DM_USER_REQ_MAP_FLUSH:
		return io->type == FZ_IO_FSYNC || io_writes(io);
	case DM_USER_REQ_MAP_DISCARD:
		return io->type == FZ_IO_DISCARD;
	case DM_USER_REQ_MAP_SECURE_ERASE:
		return io->type == FZ_IO_ERASE;
	case DM_USER_REQ_MAP_WRITE_ZEROES:
		return io->type == FZ_IO_ZERO;
	default:
		return false;
	}
}

bool fz_client_has(unsigned int type, unsigned int sector, unsigned int count, uint64_t *token)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		const struct io *io = &ios[i];

		if (io->state <= IO_FILLING || !io_has_type(io, type))
			continue;
		if (type != DM_USER_REQ_MAP_FLUSH &&
		    (sector < io->sector || sector + count > io->sector + io->count))
			continue;
		*token = io->token;
		return true;
	}
	return false;
}

void fz_client_show(FILE *out)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		if (ios[i].state != IO_FREE)
			fprintf(out, "in flight: type %d sector %u count %u since %" PRIu64 "\n",
				ios[i].type, ios[i].sector, ios[i].count, ios[i].born);
}

/* ---- completions ---- */

/* Has anything happened that may fail this I/O? */
static bool io_may_fail(const struct io *io)
{
	if (fz.excused || fz_event_since(&fz.fail, io->born))
		return true;
	if (fz.flush_error > io->born)
		return true;
	for (unsigned int i = io->sector; i < io->sector + io->count && i < FZ_SECTORS; i++)
		if (fz.sector[i].last_error > io->born)
			return true;
	return false;
}

/*
 * Check what a read found at sector @at: all of the answer to this very read that begins there, and
 * no byte of another. Returns the sector after that answer, at most @end.
 */
static unsigned int check_answer(const struct fz_thread *t, const struct io *io, unsigned int at,
				 unsigned int end)
{
	const uint8_t *data = io->buffer + (size_t)(at - io->sector) * FZ_SECTOR;
	uint64_t token = 0, first = 0, store;
	struct fz_answer *answer = NULL;
	unsigned int i;

	for (i = at; i < end; i++, data += FZ_SECTOR) {
		if (!fz_stamped(data, &token, i, &store))
			fz_broken(t, "P10: a read of %u+%u has bytes at sector %u that no daemon "
				  "wrote for it: %016" PRIx64 " %016" PRIx64, io->sector, io->count,
				  i, *(uint64_t *)data, *(uint64_t *)(data + 8));
		if (!answer) {
			first = token;
			answer = fz_answer_find(token);
			if (!answer || answer->sector != i)
				fz_broken(t, "P10: a read of %u+%u has at sector %u an answer that "
					  "is not its own (%016" PRIx64 ")", io->sector, io->count,
					  i, token);
			if (answer->used || answer->born < io->born)
				fz_broken(t, "P10: a read of %u+%u has at sector %u the answer to "
					  "an older read", io->sector, io->count, i);
			if (!answer->whole)
				fz_broken(t, "P1: a read of %u+%u ended before its answer was "
					  "whole", io->sector, io->count);
			answer->used = true;
			if (answer->sector + answer->count < end)
				end = answer->sector + answer->count;
		}
		if (token != first)
			fz_broken(t, "P10: a read of %u+%u has two answers mixed at sector %u",
				  io->sector, io->count, i);
		if (fz.stores && fz.sector[i].certain && !fz.sector[i].pending &&
		    fz.sector[i].since < io->born && fz.sector[i].last_submit < io->born &&
		    store != fz.sector[i].known)
			fz_broken(t, "P7: sector %u has %016" PRIx64 ", but the last write there "
				  "was %016" PRIx64, i, store, fz.sector[i].known);
		fz.total_checked++;
	}
	return end;
}

static void end_read(const struct fz_thread *t, struct io *io, long result)
{
	unsigned int at = io->sector, end;

	if (result > 0) {
		end = at + result / FZ_SECTOR;
		while (at < end)
			at = check_answer(t, io, at, end);
	}
	if (result != (long)io->count * FZ_SECTOR && !io_may_fail(io))
		fz_broken(t, "P2: a read of %u+%u gave %ld, and nothing allows it", io->sector,
			  io->count, result);
}

static bool has_all(const uint64_t *map, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (!(map[i / 64] >> i % 64 & 1))
			return false;
	return true;
}

static void end_write(const struct fz_thread *t, struct io *io, long result)
{
	struct fz_write *w = fz_write_find(io->token);
	bool good = result == (io->type == FZ_IO_WRITE ? (long)io->count * FZ_SECTOR : 0);

	if (!good && !io_may_fail(io) && !(io->type != FZ_IO_WRITE && result == -EOPNOTSUPP))
		fz_broken(t, "P2: a write (type %d) of %u+%u gave %ld, and nothing allows it",
			  io->type, io->sector, io->count, result);
	if (good && io->type == FZ_IO_WRITE && !fz.loose && !w->crowd &&
	    !has_all(w->acked, io->count))
		fz_broken(t, "P1: a write of %u+%u succeeded, but no daemon has read and answered "
			  "all of it", io->sector, io->count);
	/* A discard that no daemon supports succeeds, too. */
	good = good && has_all(w->acked, io->count);
	fz_write_end(io->token, w, good);
}

static void io_end(const struct fz_thread *t, struct io *io, long result)
{
	fz_lock();
	switch (io->type) {
	case FZ_IO_READ:
		end_read(t, io, result);
		break;
	case FZ_IO_FSYNC:
		if (result && !io_may_fail(io))
			fz_broken(t, "P2: a flush gave %ld, and nothing allows it", result);
		break;
	default:
		end_write(t, io, result);
	}
	io->turn++;
	fz_unlock();
	atomic_store(&io->state, IO_FREE);
	atomic_fetch_sub(&in_flight, 1);
}

static void end_event(const struct fz_thread *t, const struct io_event *event)
{
	unsigned int slot = event->data & 0xff, turn = event->data >> 8;
	struct io *io = &ios[slot];

	if (slot >= FZ_IOS || io->state != IO_BUSY || io->turn != turn)
		fz_broken(t, "P1: a second completion of one request (slot %u, turn %u, not %u)",
			  slot, turn, slot < FZ_IOS ? io->turn : 0);
	io_end(t, io, (int64_t)event->res);
}

void fz_client_reap(const struct fz_thread *t)
{
	unsigned int head, i;

	if (atomic_flag_test_and_set(&reaping))
		return;
	while ((head = ring->head) != __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE)) {
		struct io_event event = ring->events[head];

		__atomic_store_n(&ring->head, (head + 1) % ring->nr, __ATOMIC_RELEASE);
		end_event(t, &event);
	}
	for (i = FZ_IOS; i < SLOTS; i++)
		if (atomic_load(&ios[i].state) == IO_DONE) {
			io_end(t, &ios[i], ios[i].result);
			syscall(SYS_futex, &ios[i].state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
		}
	atomic_flag_clear(&reaping);
}

/* ---- operations ---- */

static struct io *io_take(unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++) {
		unsigned int free = IO_FREE;

		if (atomic_compare_exchange_strong(&ios[i].state, &free,
						   i < FZ_IOS ? IO_BUSY : IO_FILLING))
			return &ios[i];
	}
	return NULL;
}

static void io_place(struct io *io, uint64_t r, unsigned int max)
{
	unsigned int blocks = fz.sectors / fz.block, most = max / fz.block, count, places;

	/* Mostly small, seldom large; often at the start, where requests overlap. */
	count = 1 + (r >> 8) % (r & 0x1c0 ? 2 : r & 7 ? 8 : most);
	if (count > most)
		count = most;
	if (count > blocks)
		count = blocks;
	places = blocks - count + 1;
	if (r & 0x38 && places > fz_epoch.hot)
		places = fz_epoch.hot;
	io->sector = (r >> 32) % places * fz.block;
	io->count = count * fz.block;
}

/* The buffer begins at a multiple of 512 bytes, and may be cut into pieces. */
static void io_buffer(struct io *io, uint64_t r)
{
	size_t left = (size_t)io->count * FZ_SECTOR, piece;
	unsigned int pieces = 1 + (r & 3 ? 0 : (r >> 2) % 4), n = 0;
	uint8_t *at;

	io->buffer = at = io->map + (r >> 8) % 8 * FZ_SECTOR;
	while (left) {
		piece = left;
		if (n + 1 < pieces) {
			piece = (1 + (r >> (16 + 8 * n)) % (io->count / fz.block)) * fz.block *
				FZ_SECTOR;
			if (piece > left)
				piece = left;
		}
		io->iov[n++] = (struct iovec){ at, piece };
		at += piece;
		left -= piece;
	}
	io->cb.aio_lio_opcode = io->type == FZ_IO_READ ? IOCB_CMD_PREADV : IOCB_CMD_PWRITEV;
	io->cb.aio_buf = (uintptr_t)io->iov;
	io->cb.aio_nbytes = n;
	io->cb.aio_offset = (uint64_t)io->sector * FZ_SECTOR;
}

static bool io_begin_write(struct io *io)
{
	struct fz_write *w;

	io->token = fz_write_new(io->sector, io->count);
	if (!io->token)
		return false;
	w = fz_write_find(io->token);
	fz_write_begin(w);
	return true;
}

static bool io_prepare(struct io *io, uint64_t r)
{
	bool good = true;

	memset(&io->cb, 0, sizeof(io->cb));
	io->cb.aio_fildes = device;
	io->cb.aio_data = (unsigned int)(io - ios) | (uint64_t)io->turn << 8;
	io->token = 0;
	if (io->type == FZ_IO_FSYNC) {
		io->sector = io->count = 0;
		io->cb.aio_lio_opcode = r & 1 ? IOCB_CMD_FSYNC : IOCB_CMD_FDSYNC;
	} else {
		io_place(io, r, FZ_IO_SECTORS);
		io_buffer(io, fz_mix(r));
	}
	fz_lock();
	io->born = fz_tick();
	if (io->type == FZ_IO_WRITE)
		good = io_begin_write(io);
	fz_unlock();
	if (good && io->type == FZ_IO_WRITE) {
		for (unsigned int i = 0; i < io->count; i++)
			fz_stamp(io->buffer + i * FZ_SECTOR, io->token, io->sector + i, 0);
		if (!(r >> 60))
			io->cb.aio_rw_flags = RWF_SYNCED;
	}
	return good;
}

/* Make one call, with up to four requests of one type. */
static void submit(struct fz_thread *t, const struct fz_op *op, enum fz_io_type type,
		   unsigned int count)
{
	struct iocb *cbs[4];
	struct io *io[4];
	unsigned int n;
	uint64_t r = fz_op_random(op);
	int done;

	for (n = 0; n < count; n++) {
		io[n] = fz_client_in_flight() + n < fz_epoch.ios ? io_take(0, FZ_IOS) : NULL;
		if (!io[n])
			break;
		io[n]->type = type;
		cbs[n] = &io[n]->cb;
		if (!io_prepare(io[n], r + n * 0x1234567)) {
			atomic_store(&io[n]->state, IO_FREE);
			break;
		}
	}
	if (!n)
		return;
	atomic_fetch_add(&in_flight, n);
	t->ops++;
	done = syscall(SYS_io_submit, context, n, cbs);
	for (unsigned int i = done < 0 ? 0 : done; i < n; i++)
		if (done != (int)n)
			fz_broken(t, "io_submit took %d of %u requests: %m", done, n);
	if (type == FZ_IO_WRITE)
		fz.total_writes += n;
	else
		fz.total_reads += n;
}

void fz_run_read(struct fz_thread *t, const struct fz_op *op)
{
	submit(t, op, FZ_IO_READ, op->a % 8 ? 1 : 1 + op->a / 8 % 4);
}

void fz_run_write(struct fz_thread *t, const struct fz_op *op)
{
	submit(t, op, FZ_IO_WRITE, op->a % 8 ? 1 : 1 + op->a / 8 % 4);
}

void fz_run_fsync(struct fz_thread *t, const struct fz_op *op)
{
	submit(t, op, FZ_IO_FSYNC, 1);
}

void fz_run_erase(struct fz_thread *t, const struct fz_op *op)
{
	static const enum fz_io_type types[] = { FZ_IO_DISCARD, FZ_IO_ZERO, FZ_IO_ERASE };
	struct io *io = io_take(FZ_IOS, SLOTS);
	bool good;

	if (!io)
		return;
	io->type = types[op->a % 3];
	io_place(io, fz_op_random(op), FZ_IO_SECTORS);
	fz_lock();
	io->born = fz_tick();
	good = io_begin_write(io);
	fz_unlock();
	if (!good) {
		atomic_store(&io->state, IO_FREE);
		return;
	}
	atomic_fetch_add(&in_flight, 1);
	t->ops++;
	atomic_store(&io->state, IO_ASKED);
	syscall(SYS_futex, &io->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	/* Let the helper run now, until it sleeps or ends: the order of a replay depends on it. */
	for (unsigned int i = 0; i < 4 && atomic_load(&io->state) == IO_ASKED; i++)
		sched_yield();
}
