// SPDX-License-Identifier: GPL-2.0-or-later
/* Buffers that are not mapped, not accessible, or unmapped during the call. */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hostile.h"

#define HEADER	sizeof(struct dm_user_message)

static void memory_edges(void)
{
	uint8_t *bad = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *buf = abi_buffer(8192);
	struct dm_user_message m;
	struct iovec iov[2];
	struct target t;
	struct io *io;
	ssize_t got;
	int fd;

	NEED(bad != MAP_FAILED && !munmap(bad + 4096, 4096), "map one page, with a hole behind it");
	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_WRITE, 0, 4096, 1);
	OK(ch_ready(fd, POLLIN), "a request");
	IS(ch_read(fd, bad + 4096, 40), -EFAULT, "a header to a hole");
	got = ch_read(fd, bad + 4096 - 8, 40);
	NEED(got == 8 || got == -EFAULT, "a header that runs into a hole: %zd", got);
	memcpy(&m, bad + 4096 - 8, 8);
	got = got < 0 ? 0 : got;
	IS(ch_read(fd, (uint8_t *)&m + got, 40 - got), 40 - got, "the rest of the header");
	IS(m.len, 4096, "the header is right");
	IS(ch_read(fd, bad + 4096, 4096), -EFAULT, "a payload to a hole");
	IS(ch_read(fd, bad + 3096, 2000), 1000, "a payload that runs into a hole");
	memcpy(buf, bad + 3096, 1000);
	IS(ch_read(fd, buf + 1000, 4096), 3096, "the rest of the payload");
	OK(abi_filled(buf, 4096, 1), "no byte of the payload was lost or doubled");
	IS(ch_write(fd, bad + 4096, 40), -EFAULT, "an answer from a hole");
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "a good answer");
	IS(io_end(io), 0, "write");

	io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	abi_fill(buf, 4096, 2);
	m.type = 0;
	iov[0] = (struct iovec){ &m, 40 };
	iov[1] = (struct iovec){ bad + 4096, 4096 };
	IS(writev(fd, iov, 2), 40, "a good header, payload from a hole");
	IS(ch_write(fd, bad + 4096, 4096), -EFAULT, "payload from a hole");
	memcpy(bad + 3096, buf, 1000);
	IS(ch_write(fd, bad + 3096, 4096), 1000, "payload that runs into a hole");
	OK(!io->done, "the read is not done");
	IS(ch_write(fd, buf + 1000, 4096), 3096, "the rest of the payload");
	io_end_read(io, 2);

	mprotect(bad, 4096, PROT_READ);
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(ch_ready(fd, POLLIN), "a request");
	IS(ch_read(fd, bad, 40), -EFAULT, "a header to read-only memory");
	ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "the request was not lost");
	IS(io_end(io), 0, "fsync");
	free(buf);
}

/* ---- pointers ---- */

static void pointer_is_refused(int fd, void *bad, size_t len, const char *what)
{
	struct iovec iov = { bad, len };

	IS(ch_read(fd, bad, len), -EFAULT, "read to %s", what);
	IS(readv(fd, &iov, 1) < 0 ? -errno : 0, -EFAULT, "readv to %s", what);
	IS(ch_write(fd, bad, len), -EFAULT, "write from %s", what);
	IS(writev(fd, &iov, 1) < 0 ? -errno : 0, -EFAULT, "writev from %s", what);
	for (int nr = 0x40; nr < 0x45; nr++) {
		static const unsigned long commands[] = { DM_USER_IOC_INFO, DM_USER_IOC_JOIN,
							  DM_USER_IOC_DRAIN, 0, DM_USER_IOC_OPEN };
		unsigned long command = commands[nr - 0x40];

		if (command)
			IS(ioctl(fd, command, bad) < 0 ? -errno : 0, -EFAULT,
			   "ioctl %#x with %s", nr, what);
	}
}

static void memory_pointers(void)
{
	static const uintptr_t absurd[] = {
		0, 1, 4095, ~0UL, ~0UL - 39, ~0UL - 4095, 1UL << 63, 0x7ffffffff000, 0x7fffffffffff,
		0x800000000000, 0xffff800000000000, 0xffff888000000000, 0xffffffff81000000,
		0xffffffffff600000,
	};
	uint8_t *none = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct dm_user_message m;
	struct dm_user_info info;
	struct target t;
	struct io *io;
	char what[32];
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_WRITE, 0, 4096, 3);
	OK(ch_ready(fd, POLLIN), "a request");
	for (size_t i = 0; i < sizeof(absurd) / sizeof(*absurd); i++) {
		snprintf(what, sizeof(what), "%#lx", absurd[i]);
		pointer_is_refused(fd, (void *)absurd[i], HEADER, what);
	}
	pointer_is_refused(fd, none, HEADER, "PROT_NONE memory");
	NEED(!munmap(none, 8192), "munmap");
	pointer_is_refused(fd, none, HEADER, "unmapped memory");
	IS(ch_info(fd, &info), 0, "info");
	IS(info.channels, 1, "no other channel was opened");
	IS(info.generation, 0, "no generation was joined");
	IS(info.channel_state, DM_USER_SERVING, "the generation does not drain");
	IS(dm_word(t.name, "held:"), 0, "none of these reads took the request");
	ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "the request was not lost");
	IS(io_end(io), 0, "write");
	close(fd);
	target_remove(&t);
}

/* ---- absurd vectors ---- */

#define NONE	(1UL << 30)

static int vector(int fd, bool write, const struct iovec *iov, unsigned long count)
{
	long ret = syscall(write ? SYS_writev : SYS_readv, fd, iov, count);

	return ret < 0 ? -errno : ret;
}

static void memory_vectors(void)
{
	static struct iovec iov[1025];
	void *none = mmap(NULL, NONE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			  -1, 0);
	uint8_t *buf = abi_buffer(16384), *payload = abi_buffer(4096);
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd;

	NEED(none != MAP_FAILED, "map a GiB without access");
	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_WRITE, 0, 4096, 3);
	OK(ch_ready(fd, POLLIN), "a request");
	for (int write = 0; write < 2; write++) {
		iov[0] = iov[1] = (struct iovec){ buf, 8 };
		IS(vector(fd, write, iov, 0), 0, "0 vectors");
		IS(vector(fd, write, NULL, 1), -EFAULT, "vectors at a bad pointer");
		IS(vector(fd, write, iov, 1025), -EINVAL, "1025 vectors");
		IS(vector(fd, write, iov, 1UL << 31), -EINVAL, "2^31 vectors");
		IS(vector(fd, write, iov, -1UL), -EINVAL, "-1 vectors");
		iov[1].iov_len = -1UL;
		IS(vector(fd, write, iov, 2), -EINVAL, "a vector of -1 bytes");
		iov[1].iov_len = 1UL << 63;
		IS(vector(fd, write, iov, 2), -EINVAL, "a vector of 2^63 bytes");
		iov[0] = iov[1] = (struct iovec){ NULL, 0 };
		IS(vector(fd, write, iov, 2), 0, "vectors of 0 bytes");
	}
	/* 39 vectors of one byte at the same place, then empty ones; one byte is left. */
	for (int i = 0; i < 1024; i++)
		iov[i] = (struct iovec){ buf, i < 39 };
	IS(vector(fd, false, iov, 1024), 39,
	   "39 bytes to the same place, and 985 vectors of 0 bytes");
	iov[0] = iov[1] = iov[2] = (struct iovec){ NULL, 0 };
	iov[3] = (struct iovec){ buf, 16384 };
	IS(vector(fd, false, iov, 4), 1, "the last byte of the header");
	/* The payload in 1023 single bytes and the rest. */
	for (int i = 0; i < 1023; i++)
		iov[i] = (struct iovec){ payload + i, 1 };
	iov[1023] = (struct iovec){ payload + 1023, 4096 - 1023 };
	IS(vector(fd, false, iov, 1024), 4096, "a payload in 1024 vectors");
	OK(abi_filled(payload, 4096, 3), "the payload is right");
	m = (struct dm_user_message){ .seq = 0 };
	for (int i = 0; i < 1024; i++)
		iov[i] = (struct iovec){ (uint8_t *)&m + i / 2, i & 1 && i < 80 };
	IS(vector(fd, true, iov, 1024), HEADER, "an answer, every other vector of 0 bytes");
	IS(io_end(io), 0, "write");

	io = io_start(&t, IO_READ, 4096, 4096, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	m.type = 0;
	abi_fill(payload, 4096, 8);
	iov[0] = (struct iovec){ &m, HEADER };
	iov[1] = (struct iovec){ payload, 100 };
	iov[2] = (struct iovec){ (void *)8, 4096 };
	iov[3] = (struct iovec){ payload, 4096 };
	IS(vector(fd, true, iov, 4), HEADER + 100, "an answer up to a vector at a bad pointer");
	IS(vector(fd, true, iov + 2, 2), -EFAULT, "vectors that begin at a bad pointer");
	iov[0] = (struct iovec){ payload + 100, 3996 };
	iov[1] = (struct iovec){ none, NONE };
	IS(vector(fd, true, iov, 2), 3996, "the rest of the answer, then a GiB without access");
	io_end_read(io, 8);
	close(fd);
	target_remove(&t);
	free(buf);
	free(payload);
}

/* ---- memory that comes and goes while the kernel copies ---- */

#define FLICKER	(256 << 10)

/* One file, mapped twice: for the kernel's copies, and for the test to look at. */
struct flicker {
	int memfd;
	uint8_t *area, *view;
	pthread_t thread;
	atomic_bool stop;
	unsigned int faults;
};

static void flicker_on(struct flicker *f)
{
	NEED(mmap(f->area, FLICKER, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, f->memfd,
		  0) == f->area, "map the file");
}

/* Change the mapping at random; the bytes stay in the file. */
static void *flicker_thread(void *arg)
{
	struct flicker *f = arg;
	unsigned int seed = 1;

	while (!f->stop) {
		size_t at = rand_r(&seed) % (FLICKER / 4096) * 4096, len = FLICKER - at;

		switch (rand_r(&seed) % 4) {
		case 0:
			mprotect(f->area + at, len, PROT_NONE);
			break;
		case 1:
			mprotect(f->area + at, len, PROT_READ);
			break;
		case 2:
			mmap(f->area + at, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			     -1, 0);
			break;
		default:
			madvise(f->area + at, len, MADV_DONTNEED);
			break;
		}
		sched_yield();
		flicker_on(f);
		sched_yield();
	}
	return NULL;
}

/* Read or write all of @len bytes, in as many calls as it takes. */
static void flicker_move(struct flicker *f, int fd, bool write, size_t len)
{
	uint64_t end = abi_now_ms() + ABI_WAIT_MS;

	for (size_t at = 0; at < len; ) {
		ssize_t moved = write ? ch_write(fd, f->area + at, len - at) :
			ch_read(fd, f->area + at, len - at);

		if (moved == -EFAULT || (moved >= 0 && (size_t)moved < len - at))
			f->faults++;
		if (moved == -EFAULT) {
			NEED(abi_now_ms() < end, "the memory comes back in time");
			sched_yield();
			continue;
		}
		NEED(moved > 0, "moved %zd", moved);
		at += moved;
	}
}

static void memory_vanishes(void)
{
	struct flicker f = { .memfd = memfd_create("flicker", MFD_CLOEXEC) };
	struct dm_user_message m;
	struct bystander by;
	struct target t;
	struct io *io;
	uint64_t end;
	int fd;

	NEED(f.memfd >= 0 && !ftruncate(f.memfd, FLICKER), "create a file");
	f.view = mmap(NULL, FLICKER, PROT_READ | PROT_WRITE, MAP_SHARED, f.memfd, 0);
	f.area = mmap(NULL, FLICKER, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(f.view != MAP_FAILED && f.area != MAP_FAILED, "map memory");
	bystander_start(&by);
	target_create(&t, NULL);
	fd = ch_need(&t);
	flicker_on(&f);
	NEED(!pthread_create(&f.thread, NULL, flicker_thread, &f), "create a thread");
	end = abi_now_ms() + ABI_WAIT_MS;
	/* rounds(4) rounds, and more until the kernel has met a hole. */
	for (unsigned int round = 0;
	     round < rounds(4) || (!f.faults && abi_now_ms() < end); round++) {
		io = io_start(&t, IO_WRITE, 0, FLICKER, round);
		NEED(ch_ready(fd, POLLIN) && ch_read(fd, &m, HEADER) == HEADER, "take a write");
		NEED(m.len == FLICKER, "the write comes in one piece");
		flicker_move(&f, fd, false, FLICKER);
		OK(abi_filled(f.view, FLICKER, round),
		   "round %u: no byte of a payload was lost or doubled", round);
		IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
		IS(io_end(io), 0, "write");

		io = io_start(&t, IO_READ, 0, FLICKER, 0);
		ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
		m.type = 0;
		IS(ch_write(fd, &m, HEADER), HEADER, "header");
		abi_fill(f.view, FLICKER, 1000 + round);
		flicker_move(&f, fd, true, FLICKER);
		io_end_read(io, 1000 + round);
	}
	f.stop = true;
	pthread_join(f.thread, NULL);
	OK(f.faults, "a copy has met a hole");
	/* A file truncated under its mapping: SIGBUS for a process, EFAULT for the kernel. */
	NEED(!ftruncate(f.memfd, 4096), "truncate");
	io = io_start(&t, IO_READ, 0, 8192, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	m.type = 0;
	IS(ch_write(fd, &m, HEADER), HEADER, "header");
	abi_fill(f.view, 4096, 7);
	IS(ch_write(fd, f.area, 8192), 4096, "payload up to the end of the file");
	IS(ch_write(fd, f.area + 4096, 4096), -EFAULT, "payload beyond the end of the file");
	close(fd);
	OK(!io->done, "a part of an answer completes nothing");
	fd = ch_need(&t);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(ch_answer(fd, &m, 1, NULL, 0), 0, "an error");
	IS(io_end(io), -EIO, "read");
	close(fd);
	target_remove(&t);
	bystander_stop(&by);
}

/* ---- registered buffers ---- */

static int ring_one(struct io_uring *ring)
{
	struct __kernel_timespec limit = { .tv_sec = ABI_WAIT_MS / 1000 };
	struct io_uring_cqe *cqe;
	int result;

	IS(io_uring_submit(ring), 1, "submit");
	NEED(IS(io_uring_wait_cqe_timeout(ring, &cqe, &limit), 0, "the operation ends"),
	     "io_uring_wait_cqe_timeout()");
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

/* Memory registered with a ring, then unmapped: the kernel copies to pages that no process maps. */
static void memory_registered(void)
{
	uint8_t *area = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	struct iovec iov = { area, 65536 };
	struct dm_user_message m, *header = (void *)area;
	struct io_uring ring;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	NEED(area != MAP_FAILED && IS(io_uring_queue_init(8, &ring, 0), 0, "io_uring_queue_init"),
	     "set up a ring");
	NEED(IS(io_uring_register_buffers(&ring, &iov, 1), 0, "register"),
	     "io_uring_register_buffers()");
	for (unsigned int async = 0; async < 2; async++) {
		struct io_uring_sqe *sqe;

		io = io_start(&t, IO_WRITE, 0, 32768, 6);
		OK(ch_ready(fd, POLLIN), "a request");
		for (int i = 0; i < 2; i++) {
			sqe = io_uring_get_sqe(&ring);
			io_uring_prep_read_fixed(sqe, fd, area + (i ? 4096 + 13 : 0),
						 i ? 40000 : 4096, -1, 0);
			sqe->flags |= async ? IOSQE_ASYNC : 0;
			IS(ring_one(&ring), i ? 32768 : HEADER, "read, fixed");
		}
		m = *header;
		memmove(area + 4096, area + 4096 + 13, 32768);
		OK(abi_filled(area + 4096, 32768, 6), "payload");
		IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
		IS(io_end(io), 0, "write");
		io = io_start(&t, IO_READ, 0, 32768, 0);
		ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
		*header = (struct dm_user_message){ .seq = m.seq };
		abi_fill(area + HEADER, 32768, 16);
		sqe = io_uring_get_sqe(&ring);
		io_uring_prep_write_fixed(sqe, fd, area, 60000, -1, 0);
		sqe->flags |= async ? IOSQE_ASYNC : 0;
		IS(ring_one(&ring), HEADER + 32768, "write, fixed");
		io_end_read(io, 16);
	}
	/* Pages that no process maps, and bounds that the ring checks. */
	io = io_start(&t, IO_WRITE, 0, 32768, 6);
	OK(ch_ready(fd, POLLIN), "a request");
	NEED(!munmap(area, 65536), "munmap");
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), fd, area + 65000, 4096, -1, 0);
	IS(ring_one(&ring), -EFAULT, "beyond the registered memory");
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), fd, area, 4096, -1, 0);
	IS(ring_one(&ring), HEADER, "a header to pages that no process maps");
	IS(dm_message(t.name, "fail"), 0, "message fail");
	IS(io_end(io), -EIO, "write");
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), fd, area, 4096, -1, 0);
	IS(ring_one(&ring), -ECANCELED, "the request was taken back");
	/* The registered files of a ring keep the channel when all its descriptors are closed. */
	IS(io_uring_register_files(&ring, &fd, 1), 0, "register the channel");
	close(fd);
	IS(dm_word(t.name, "channels:"), 1, "the channel is open");
	io_uring_queue_exit(&ring);
	OK(UNTIL(dm_word(t.name, "channels:") == 0), "the channel closes with the ring");
	target_remove(&t);
}

const struct abi_test abi_hostile_memory[] = {
	{ "edges", memory_edges, "P10: buffers that are not mapped lose and double nothing" },
	{ "pointers", memory_pointers, "P10: every bad pointer gets EFAULT and changes nothing" },
	{ "vectors", memory_vectors, "P10: absurd vectors are refused, strange ones work" },
	{ "vanishes", memory_vanishes,
	  "P10: memory that vanishes while the kernel copies loses and doubles nothing" },
	{ "registered", memory_registered, "P10: io_uring's registered buffers and files" },
	{ NULL, NULL, NULL }
};
