// SPDX-License-Identifier: GPL-2.0-or-later
/* A daemon on io_uring. */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.h"

#define RING	16

static void uring_reads(void)
{
	struct dm_user_message m[RING];
	uint8_t *buf = abi_buffer(4096);
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	struct io *io[RING];
	uint64_t seen = 0;
	struct target t;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	NEED(IS(io_uring_queue_init(RING * 2, &ring, 0), 0, "io_uring_queue_init"),
	     "set up a ring");
	for (int i = 0; i < RING; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		io_uring_prep_read(sqe, fd, &m[i], sizeof(m[i]), -1);
		io_uring_sqe_set_data64(sqe, i);
	}
	IS(io_uring_submit(&ring), RING, "submit reads");
	IS(io_uring_peek_cqe(&ring, &cqe), -EAGAIN, "no read ends while there is no request");
	for (int i = 0; i < RING; i++)
		io[i] = io_start(&t, IO_READ, i * 4096, 4096, 0);
	for (int i = 0; i < RING; i++) {
		struct __kernel_timespec limit = { .tv_sec = ABI_WAIT_MS / 1000 };
		const struct dm_user_message *one;

		NEED(IS(io_uring_wait_cqe_timeout(&ring, &cqe, &limit), 0, "read %d ends", i),
		     "io_uring_wait_cqe_timeout()");
		IS(cqe->res, sizeof(m[0]), "the read has a header");
		one = &m[io_uring_cqe_get_data64(cqe)];
		io_uring_cqe_seen(&ring, cqe);
		NEED(one->seq < RING && one->sector / 8 < RING && one->len == 4096,
		     "the header is valid");
		seen |= 1 << one->seq;
		abi_fill(buf, 4096, one->sector / 8);
		IS(ch_answer(fd, one, 0, buf, 0), 0, "answer");
	}
	IS(seen, (1 << RING) - 1, "each request came once");
	for (int i = 0; i < RING; i++)
		io_end_read(io[i], i);
	/* A read that is still in the ring when the target goes. */
	io_uring_prep_read(io_uring_get_sqe(&ring), fd, &m[0], sizeof(m[0]), -1);
	IS(io_uring_submit(&ring), 1, "submit one more read");
	target_remove(&t);
	NEED(IS(io_uring_wait_cqe_timeout(&ring, &cqe, &(struct __kernel_timespec){ .tv_sec = 20 }),
		0, "the read ends"), "io_uring_wait_cqe_timeout()");
	IS(cqe->res, -ENOTBLK, "the read fails with ENOTBLK");
	io_uring_queue_exit(&ring);
	free(buf);
}

/*
 * Write an answer by io_uring, from pages that are not present, while task work is pending: the end
 * of a poll, which a write of the same submission has completed. Returns the result of the answer.
 */
static int disturbed_write(struct io_uring *ring, int event, int fd, void *area, size_t len)
{
	struct __kernel_timespec limit = { .tv_sec = ABI_WAIT_MS / 1000 };
	struct io_uring_sqe *sqe[3];
	uint64_t one = 1;
	int res = 0;

	for (int i = 0; i < 3; i++)
		sqe[i] = io_uring_get_sqe(ring);
	io_uring_prep_poll_add(sqe[0], event, POLLIN);
	io_uring_prep_write(sqe[1], event, &one, sizeof(one), -1);
	io_uring_prep_write(sqe[2], fd, area, len, -1);
	for (int i = 0; i < 3; i++)
		io_uring_sqe_set_data64(sqe[i], i);
	NEED(IS(io_uring_submit(ring), 3, "submit"), "three requests");
	for (int done = 0; done < 3; done++) {
		struct io_uring_cqe *cqe;

		NEED(IS(io_uring_wait_cqe_timeout(ring, &cqe, &limit), 0, "request ends"),
		     "io_uring_wait_cqe_timeout()");
		if (io_uring_cqe_get_data64(cqe) == 2)
			res = cqe->res;
		io_uring_cqe_seen(ring, cqe);
	}
	IS(read(event, &one, sizeof(one)), sizeof(one), "the event was counted");
	return res;
}

/* io_uring's task work is not a signal: it interrupts no write. */
static void uring_task_work(void)
{
	const size_t len = sizeof(struct dm_user_message) + 65536;
	int fd, file, event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char path[] = "/tmp/answer.XXXXXX";
	struct dm_user_message m;
	struct io_uring ring;
	struct target t;
	struct io *io;
	uint8_t *area;
	int res;

	file = mkstemp(path);
	NEED(file >= 0 && !ftruncate(file, len + 4096), "create a file");
	unlink(path);
	target_create(&t, NULL);
	fd = ch_need(&t);
	NEED(IS(io_uring_queue_init(16, &ring, 0), 0, "io_uring_queue_init"), "set up a ring");
	io = io_start(&t, IO_READ, 0, 65536, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	NEED(pwrite(file, &(struct dm_user_message){ .seq = m.seq }, sizeof(m), 0) == sizeof(m),
	     "write the header to the file");
	/* The answer's pages are in the page cache, but not in this address space. */
	area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	NEED(area != MAP_FAILED, "map the file");
	for (size_t at = 0; at < len; at += res) {
		madvise(area, len, MADV_DONTNEED);
		res = disturbed_write(&ring, event, fd, area + at, at ? len - at : sizeof(m) + 100);
		NEED(OK(res > 0, "write at %zu: %d", at, res), "the write makes progress");
	}
	IS(io_end(io), 0, "read");
	munmap(area, len);
	io_uring_queue_exit(&ring);
	close(fd);
	close(file);
	close(event);
}

const struct abi_test abi_uring[] = {
	{ "reads", uring_reads, "io_uring keeps many reads in flight on one channel" },
	{ "task_work", uring_task_work, "io_uring's task work interrupts no write" },
	{ NULL, NULL, NULL }
};
