// SPDX-License-Identifier: GPL-2.0-or-later
/* Buffers that are not there, may not be used, go away meanwhile, or never come. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/userfaultfd.h>
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
#include <sys/wait.h>
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

	NEED(bad != MAP_FAILED && !munmap(bad + 4096, 4096), "one page, then none");
	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_WRITE, 0, 4096, 1);
	OK(ch_ready(fd, POLLIN), "a request");
	IS(ch_read(fd, bad + 4096, 40), -EFAULT, "a header to nowhere");
	got = ch_read(fd, bad + 4096 - 8, 40);
	NEED(got == 8 || got == -EFAULT, "a header that ends nowhere: %zd", got);
	memcpy(&m, bad + 4096 - 8, 8);
	got = got < 0 ? 0 : got;
	IS(ch_read(fd, (uint8_t *)&m + got, 40 - got), 40 - got, "the rest of it");
	IS(m.len, 4096, "is right");
	IS(ch_read(fd, bad + 4096, 4096), -EFAULT, "a payload to nowhere");
	IS(ch_read(fd, bad + 3096, 2000), 1000, "a payload that ends nowhere");
	memcpy(buf, bad + 3096, 1000);
	IS(ch_read(fd, buf + 1000, 4096), 3096, "the rest of it");
	OK(abi_filled(buf, 4096, 1), "nothing was lost or doubled");
	IS(ch_write(fd, bad + 4096, 40), -EFAULT, "an answer from nowhere");
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "then a good one");
	IS(io_end(io), 0, "write");

	io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	abi_fill(buf, 4096, 2);
	m.type = 0;
	iov[0] = (struct iovec){ &m, 40 };
	iov[1] = (struct iovec){ bad + 4096, 4096 };
	IS(writev(fd, iov, 2), 40, "header good, payload from nowhere");
	IS(ch_write(fd, bad + 4096, 4096), -EFAULT, "payload from nowhere");
	memcpy(bad + 3096, buf, 1000);
	IS(ch_write(fd, bad + 3096, 4096), 1000, "payload that ends nowhere");
	OK(!io->done, "it is not done");
	IS(ch_write(fd, buf + 1000, 4096), 3096, "the rest");
	io_end_read(io, 2);

	mprotect(bad, 4096, PROT_READ);
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(ch_ready(fd, POLLIN), "a request");
	IS(ch_read(fd, bad, 40), -EFAULT, "a header to memory that may not be written");
	ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "nothing was lost");
	IS(io_end(io), 0, "fsync");
	free(buf);
}

/* Some thread waits for one of these pages now that was not waited for before. */
static void memory_asked_for(int uffd, const uint8_t *area, unsigned int pages)
{
	struct pollfd poller = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;

	NEED(poll(&poller, 1, ABI_WAIT_MS) == 1 && read(uffd, &msg, sizeof(msg)) == sizeof(msg),
	     "a page fault comes");
	OK(msg.event == UFFD_EVENT_PAGEFAULT &&
	   msg.arg.pagefault.address - (uintptr_t)area < pages * 4096, "at one of our pages");
}

/* A read that could deliver nothing has taken nothing. */
static void memory_unread(void)
{
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int a, b;

	target_create(&t, NULL);
	a = ch_need(&t);
	b = ch_need(&t);
	io = io_start(&t, IO_WRITE, 0, 4096, 1);
	OK(ch_ready(a, POLLIN), "a request");
	IS(ch_read(a, NULL, HEADER), -EFAULT, "a header to nowhere");
	IS(dm_word(t.name, "queued:"), 1, "the request waits");
	IS(dm_word(t.name, "held:"), 0, "nobody holds it");
	OK(ch_poll(b) & POLLIN, "anybody can have it");
	IS(ch_join(a, 1, DM_USER_JOIN_CREATE), 0, "who has read nothing can join");
	ch_take_type(b, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(ch_answer(b, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "write");
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(ch_ready(a, POLLIN), "another one");
	IS(ch_read(a, NULL, HEADER), -EFAULT, "a header to nowhere");
	IS(ch_drain(a, 0, NULL), 0, "drain");
	OK(ch_poll(a) & POLLHUP, "a generation that holds nothing has drained at once");
	ch_take_type(b, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(ch_answer(b, &m, 0, NULL, 0), 0, "the other one answers");
	IS(io_end(io), 0, "fsync");
	close(a);
	close(b);
	target_remove(&t);
}

/* What is taken back before its first byte was read is none of the daemon's business. */
static void memory_unread_revoked(void)
{
	struct call call = { .what = CALL_READ, .len = HEADER };
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int uffd;

	call.buf = memory_never(4096, &uffd);
	if (!call.buf) {
		puts("# no userfaultfd here");
		return;
	}
	target_create(&t, NULL);
	call.fd = ch_need(&t);
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(ch_ready(call.fd, POLLIN), "a request");
	call_start(&call);
	memory_asked_for(uffd, call.buf, 1);
	take_back(&t);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "it comes again");
	close(uffd);
	IS(call_end(&call), HEADER, "and the read yields it, without an error");
	memcpy(&m, call.buf, sizeof(m));
	IS(m.type, DM_USER_REQ_MAP_FLUSH, "type");
	IS(ch_answer(call.fd, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "fsync");
	IS(dm_word(t.name, "held:"), 0, "nothing is left");
	close(call.fd);
	target_remove(&t);
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
			IS(ioctl(fd, command, bad) < 0 ? -errno : 0, -EFAULT, "ioctl %#x with %s", nr, what);
	}
}

static void memory_pointers(void)
{
	static const uintptr_t absurd[] = {
		0, 1, 4095, ~0UL, ~0UL - 39, ~0UL - 4095, 1UL << 63, 0x7ffffffff000, 0x7fffffffffff,
		0x800000000000, 0xffff800000000000, 0xffff888000000000, 0xffffffff81000000, 0xffffffffff600000,
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
	pointer_is_refused(fd, none, HEADER, "PROT_NONE");
	NEED(!munmap(none, 8192), "munmap");
	pointer_is_refused(fd, none, HEADER, "nothing");
	IS(ch_info(fd, &info), 0, "info");
	IS(info.channels, 1, "nothing was opened");
	IS(info.generation, 0, "nothing was joined");
	IS(info.channel_state, DM_USER_SERVING, "nothing drains");
	IS(dm_word(t.name, "held:"), 0, "none of these reads took the request");
	ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "nothing was lost");
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
	void *none = mmap(NULL, NONE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *buf = abi_buffer(16384), *payload = abi_buffer(4096);
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd;

	NEED(none != MAP_FAILED, "room for nothing");
	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_WRITE, 0, 4096, 3);
	OK(ch_ready(fd, POLLIN), "a request");
	for (int write = 0; write < 2; write++) {
		iov[0] = iov[1] = (struct iovec){ buf, 8 };
		IS(vector(fd, write, iov, 0), 0, "no vector at all");
		IS(vector(fd, write, NULL, 1), -EFAULT, "vectors from nowhere");
		IS(vector(fd, write, iov, 1025), -EINVAL, "1025 vectors");
		IS(vector(fd, write, iov, 1UL << 31), -EINVAL, "2^31 vectors");
		IS(vector(fd, write, iov, -1UL), -EINVAL, "-1 vectors");
		iov[1].iov_len = -1UL;
		IS(vector(fd, write, iov, 2), -EINVAL, "a vector of -1 bytes");
		iov[1].iov_len = 1UL << 63;
		IS(vector(fd, write, iov, 2), -EINVAL, "a vector of 2^63 bytes");
		iov[0] = iov[1] = (struct iovec){ NULL, 0 };
		IS(vector(fd, write, iov, 2), 0, "vectors of no bytes");
	}
	/* Forty vectors of one byte at the same place; the last one stays. Then none, none, and a rest. */
	for (int i = 0; i < 1024; i++)
		iov[i] = (struct iovec){ buf, i < 39 };
	IS(vector(fd, false, iov, 1024), 39, "39 bytes over each other, and 985 vectors of none");
	iov[0] = iov[1] = iov[2] = (struct iovec){ NULL, 0 };
	iov[3] = (struct iovec){ buf, 16384 };
	IS(vector(fd, false, iov, 4), 1, "the last byte of the header");
	/* The payload by 1023 bytes and the rest, then nowhere. */
	for (int i = 0; i < 1023; i++)
		iov[i] = (struct iovec){ payload + i, 1 };
	iov[1023] = (struct iovec){ payload + 1023, 4096 - 1023 };
	IS(vector(fd, false, iov, 1024), 4096, "a payload in 1024 vectors");
	OK(abi_filled(payload, 4096, 3), "is right");
	m = (struct dm_user_message){ .seq = 0 };
	for (int i = 0; i < 1024; i++)
		iov[i] = (struct iovec){ (uint8_t *)&m + i / 2, i & 1 && i < 80 };
	IS(vector(fd, true, iov, 1024), HEADER, "an answer, every other vector of no bytes");
	IS(io_end(io), 0, "write");

	io = io_start(&t, IO_READ, 4096, 4096, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	m.type = 0;
	abi_fill(payload, 4096, 8);
	iov[0] = (struct iovec){ &m, HEADER };
	iov[1] = (struct iovec){ payload, 100 };
	iov[2] = (struct iovec){ (void *)8, 4096 };
	iov[3] = (struct iovec){ payload, 4096 };
	IS(vector(fd, true, iov, 4), HEADER + 100, "up to the vector from nowhere");
	IS(vector(fd, true, iov + 2, 2), -EFAULT, "which is refused alone");
	iov[0] = (struct iovec){ payload + 100, 3996 };
	iov[1] = (struct iovec){ none, NONE };
	IS(vector(fd, true, iov, 2), 3996, "a GiB that is not there, behind what is due");
	io_end_read(io, 8);
	close(fd);
	target_remove(&t);
	free(buf);
	free(payload);
}

/* ---- memory that goes and comes while the kernel copies ---- */

#define FLICKER	(256 << 10)

/* One file, mapped where the kernel is told to copy, and where we look at it. */
struct flicker {
	int memfd;
	uint8_t *area, *view;
	pthread_t thread;
	atomic_bool stop;
	unsigned int faults;
};

static void flicker_on(struct flicker *f)
{
	NEED(mmap(f->area, FLICKER, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, f->memfd, 0) == f->area,
	     "map it");
}

/* The bytes stay in the file, whatever becomes of the mapping. */
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
			mmap(f->area + at, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
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

/* All of @len bytes in or out, as often as it takes. */
static void flicker_move(struct flicker *f, int fd, bool write, size_t len)
{
	uint64_t end = abi_now_ms() + ABI_WAIT_MS;

	for (size_t at = 0; at < len; ) {
		ssize_t moved = write ? ch_write(fd, f->area + at, len - at) : ch_read(fd, f->area + at, len - at);

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
	int fd;

	NEED(f.memfd >= 0 && !ftruncate(f.memfd, FLICKER), "a file");
	f.view = mmap(NULL, FLICKER, PROT_READ | PROT_WRITE, MAP_SHARED, f.memfd, 0);
	f.area = mmap(NULL, FLICKER, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(f.view != MAP_FAILED && f.area != MAP_FAILED, "mappings");
	bystander_start(&by);
	target_create(&t, NULL);
	fd = ch_need(&t);
	flicker_on(&f);
	NEED(!pthread_create(&f.thread, NULL, flicker_thread, &f), "a thread");
	for (unsigned int round = 0; round < rounds(4); round++) {
		io = io_start(&t, IO_WRITE, 0, FLICKER, round);
		NEED(ch_ready(fd, POLLIN) && ch_read(fd, &m, HEADER) == HEADER, "a write");
		NEED(m.len == FLICKER, "of one piece");
		flicker_move(&f, fd, false, FLICKER);
		OK(abi_filled(f.view, FLICKER, round), "round %u: nothing of a payload was lost or doubled", round);
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
	OK(f.faults, "some of it met a hole");
	/* A file that is cut off under the mapping: SIGBUS for others, EFAULT here. */
	NEED(!ftruncate(f.memfd, 4096), "truncate");
	io = io_start(&t, IO_READ, 0, 8192, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	m.type = 0;
	IS(ch_write(fd, &m, HEADER), HEADER, "header");
	abi_fill(f.view, 4096, 7);
	IS(ch_write(fd, f.area, 8192), 4096, "payload up to the end of the file");
	IS(ch_write(fd, f.area + 4096, 4096), -EFAULT, "and beyond");
	close(fd);
	OK(!io->done, "half an answer is none");
	fd = ch_need(&t);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(ch_answer(fd, &m, 1, NULL, 0), 0, "an error");
	IS(io_end(io), -EIO, "read");
	close(fd);
	target_remove(&t);
	bystander_stop(&by);
}

/* ---- memory that never comes ---- */

/* Every call that copies, hanging at once, each on a channel of its own. */
static void memory_never_comes(void)
{
	struct call calls[6] = { 0 };
	struct dm_user_message m;
	struct bystander by;
	struct io *reader, *writer;
	struct target t;
	uint8_t *area;
	int uffd, fd;

	area = memory_never(8 * 4096, &uffd);
	if (!area) {
		puts("# no userfaultfd here");
		return;
	}
	bystander_start(&by);
	target_create(&t, NULL);
	writer = io_start(&t, IO_WRITE, 0, 4096, 1);
	for (int i = 0; i < 6; i++)
		calls[i] = (struct call){ .fd = ch_need(&t), .buf = area + i * 4096, .len = HEADER };
	OK(ch_ready(calls[0].fd, POLLIN), "a request");
	calls[0].what = CALL_READ;		/* the header of a request */
	call_start(&calls[0]);
	OK(UNTIL(dm_word(t.name, "held:") == 1), "it is being read");
	reader = io_start(&t, IO_READ, 65536, 4096, 0);
	ch_take_type(calls[1].fd, &m, DM_USER_REQ_MAP_READ, NULL);
	calls[1].what = CALL_WRITE;		/* the header of an answer */
	calls[2] = (struct call){ .what = CALL_IOCTL, .fd = calls[2].fd, .buf = calls[2].buf,
				  .command = DM_USER_IOC_INFO };
	calls[3] = (struct call){ .what = CALL_IOCTL, .fd = calls[3].fd, .buf = calls[3].buf,
				  .command = DM_USER_IOC_JOIN };
	calls[4] = (struct call){ .what = CALL_IOCTL, .fd = calls[4].fd, .buf = calls[4].buf,
				  .command = DM_USER_IOC_DRAIN };
	calls[5] = (struct call){ .what = CALL_IOCTL, .fd = calls[5].fd, .buf = calls[5].buf,
				  .command = DM_USER_IOC_OPEN };
	for (int i = 1; i < 6; i++)
		call_start(&calls[i]);
	for (int i = 0; i < 6; i++)
		memory_asked_for(uffd, area, 6);
	for (int i = 0; i < 6; i++)
		OK(!calls[i].done, "call %d hangs", i);

	bystander_check(&by, "six calls hang");
	take_back(&t);
	fd = ch_need(&t);
	for (int i = 0; i < 2; i++) {
		uint8_t *payload = abi_buffer(4096);

		NEED(ch_ready(fd, POLLIN) && !ch_take(fd, &m, NULL, 0), "the requests come again");
		abi_fill(payload, 4096, 5);
		IS(ch_answer(fd, &m, 0, payload, 0), 0, "to whom does not hang");
		free(payload);
	}
	IS(io_end(writer), 0, "write");
	io_end_read(reader, 5);
	IS(dm_suspend(t.name, 0), 0, "a suspend that waits for all");
	IS(dm_resume(t.name, 0), 0, "resume");
	target_remove(&t);
	IS(ch_read(fd, &m, HEADER), -ENOTBLK, "the target is gone");
	bystander_check(&by, "the target is gone, and six calls hang");
	close(uffd);
	for (int i = 0; i < 6; i++) {
		call_end(&calls[i]);
		/* What info says was found before. */
		OK(calls[i].result < 0 || calls[i].command == DM_USER_IOC_INFO,
		   "call %d ends with an error, not %ld", i, calls[i].result);
		close(calls[i].fd);
	}
	close(fd);
	bystander_stop(&by);
}

/* ---- the device itself as the buffer ---- */

/* One page of the device, and no other is read for it. */
static void *own_map(int dev, off_t at)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, dev, at);

	NEED(page != MAP_FAILED && !madvise(page, 4096, MADV_RANDOM), "map the device");
	return page;
}

/* A daemon that copies from or to a mapping of its own device waits for itself. */
static void memory_own(bool write)
{
	struct call c = { .what = write ? CALL_WRITE : CALL_READ, .len = 4096 };
	uint8_t *payload = abi_buffer(4096);
	struct dm_user_message m;
	struct bystander by;
	struct target t;
	void *first;
	struct io *io;
	int dev, fd;

	bystander_start(&by);
	target_create(&t, NULL);
	dev = open(t.dev, O_RDWR | O_CLOEXEC);
	NEED(dev >= 0, "open the device");
	c.buf = own_map(dev, 4096);
	c.fd = ch_need(&t);
	io = io_start(&t, write ? IO_READ : IO_WRITE, 65536, 4096, 4);
	OK(ch_ready(c.fd, POLLIN), "a request");
	IS(ch_read(c.fd, &m, HEADER), HEADER, "its header");
	if (write) {
		m.type = 0;
		IS(ch_write(c.fd, &m, HEADER), HEADER, "header of the answer");
	}
	call_start(&c);
	OK(UNTIL(dm_word(t.name, "queued:") == 1) && !c.done, "it hangs in a fault that only it could serve");
	bystander_check(&by, "a daemon waits for itself");
	take_back(&t);
	OK(UNTIL(dm_word(t.name, "queued:") == 2) && !c.done, "all is taken back, and it hangs");
	fd = ch_need(&t);
	for (int i = 0; i < 2; i++) {
		NEED(ch_ready(fd, POLLIN) && !ch_take(fd, &m, NULL, 0) && m.len == 4096,
		     "another daemon gets it");
		sign(payload, m.sector, 4096, HONEST);
		IS(ch_answer(fd, &m, 0, payload, 0), 0, "and answers");
	}
	call_end(&c);
	OK(write ? c.result == 4096 : c.result == -ECANCELED, "then it goes on: %ld", c.result);
	NEED(UNTIL(io->done), "the I/O ends");
	if (write)
		OK(is_signed(io->buf, 128, 4096, HONEST), "with the bytes of the other");
	IS(io_end(io), 0, "I/O");

	/* Again, with another page, and the device goes. */
	first = c.buf;
	c.buf = own_map(dev, 32768);
	io = io_start(&t, write ? IO_READ : IO_WRITE, 65536, 4096, 4);
	OK(ch_ready(c.fd, POLLIN), "a request");
	IS(ch_read(c.fd, &m, HEADER), HEADER, "its header");
	if (write) {
		m.type = 0;
		IS(ch_write(c.fd, &m, HEADER), HEADER, "header of the answer");
	}
	call_start(&c);
	OK(UNTIL(dm_word(t.name, "queued:") == 1) && !c.done, "it hangs again");
	IS(dm_wipe(t.name), 0, "force");
	IS(io_end(io), -EIO, "the I/O ends");
	call_end(&c);
	OK(c.result < 0 || write, "the call ends: %ld", c.result);
	munmap(first, 4096);
	munmap(c.buf, 4096);
	close(dev);
	close(fd);
	close(c.fd);
	target_remove(&t);
	free(payload);
	bystander_stop(&by);
}

static void memory_own_read(void)
{
	memory_own(false);
}

static void memory_own_write(void)
{
	memory_own(true);
}

/* In the child: one thread takes the request that another's page fault has made, and keeps it. */
static void own_killed_child(const struct target *t, int ready)
{
	struct call c = { .what = CALL_WRITE, .len = 4096, .fd = ch_need(t) };
	int dev = open(t->dev, O_RDWR | O_CLOEXEC), fd = ch_need(t);
	struct dm_user_message m;

	c.buf = own_map(dev, 4096);
	call_start(&c);
	if (ch_take(fd, &m, NULL, 0) || write(ready, "", 1) != 1)
		_exit(1);
	pause();
	_exit(1);
}

/*
 * Killed while it holds the request that its own exit waits for: the device is closed before the channel,
 * and that waits for the page. Only an administrator can help, and can.
 */
static void memory_own_killed(void)
{
	struct bystander by;
	int ready[2], status;
	struct target t;
	char byte;
	pid_t pid;

	bystander_start(&by);
	target_create(&t, NULL);
	NEED(!pipe(ready), "a pipe");
	pid = fork();
	if (pid == 0)
		own_killed_child(&t, ready[1]);
	IS(read(ready[0], &byte, 1), 1, "it holds the request of its own fault");
	kill(pid, SIGKILL);
	bystander_check(&by, "it is killed");
	IS(dm_wipe(t.name), 0, "force");
	NEED(UNTIL(waitpid(pid, &status, WNOHANG) == pid), "it dies");
	NEED(UNTIL(dm_remove(t.name) == 0), "the device can be removed");
	bystander_stop(&by);
}

/* ---- registered buffers ---- */

static int ring_one(struct io_uring *ring)
{
	struct __kernel_timespec limit = { .tv_sec = ABI_WAIT_MS / 1000 };
	struct io_uring_cqe *cqe;
	int result;

	IS(io_uring_submit(ring), 1, "submit");
	NEED(IS(io_uring_wait_cqe_timeout(ring, &cqe, &limit), 0, "it ends"), "an end");
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

/* Registered with a ring, then unmapped: the kernel copies from and to pages that no process has. */
static void memory_registered(void)
{
	uint8_t *area = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov = { area, 65536 };
	struct dm_user_message m, *header = (void *)area;
	struct io_uring ring;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	NEED(area != MAP_FAILED && IS(io_uring_queue_init(8, &ring, 0), 0, "io_uring_queue_init"), "a ring");
	NEED(IS(io_uring_register_buffers(&ring, &iov, 1), 0, "register"), "registered memory");
	for (unsigned int async = 0; async < 2; async++) {
		struct io_uring_sqe *sqe;

		io = io_start(&t, IO_WRITE, 0, 32768, 6);
		OK(ch_ready(fd, POLLIN), "a request");
		for (int i = 0; i < 2; i++) {
			sqe = io_uring_get_sqe(&ring);
			io_uring_prep_read_fixed(sqe, fd, area + (i ? 4096 + 13 : 0), i ? 40000 : 4096, -1, 0);
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
	/* Nobody's pages, and bounds that the ring checks. */
	io = io_start(&t, IO_WRITE, 0, 32768, 6);
	OK(ch_ready(fd, POLLIN), "a request");
	NEED(!munmap(area, 65536), "munmap");
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), fd, area + 65000, 4096, -1, 0);
	IS(ring_one(&ring), -EFAULT, "beyond the registered memory");
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), fd, area, 4096, -1, 0);
	IS(ring_one(&ring), HEADER, "the header goes to pages that are not mapped any more");
	IS(dm_message(t.name, "fail"), 0, "message");
	IS(io_end(io), -EIO, "write");
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), fd, area, 4096, -1, 0);
	IS(ring_one(&ring), -ECANCELED, "taken back");
	/* A ring holds the channel by its registered files, when all descriptors are closed. */
	IS(io_uring_register_files(&ring, &fd, 1), 0, "register the channel");
	close(fd);
	IS(dm_word(t.name, "channels:"), 1, "it is open");
	io_uring_queue_exit(&ring);
	OK(UNTIL(dm_word(t.name, "channels:") == 0), "until the ring goes");
	target_remove(&t);
}

const struct abi_test abi_hostile_memory[] = {
	{ "edges", memory_edges, "P10: buffers that are not there lose and double nothing" },
	{ "unread", memory_unread, "P1: a read that fails before its first byte leaves the request to anybody" },
	{ "unread_revoked", memory_unread_revoked, "P2: what is taken back before its first byte costs only time" },
	{ "pointers", memory_pointers, "P10: every bad pointer is EFAULT and changes nothing" },
	{ "vectors", memory_vectors, "P10: absurd vectors are refused, strange ones work" },
	{ "vanishes", memory_vanishes, "P10: memory that goes while the kernel copies loses and doubles nothing" },
	{ "never", memory_never_comes, "P10, P11: calls that hang for ever hold nothing up" },
	{ "own_read", memory_own_read, "P10: a daemon that reads into its own device hurts only itself" },
	{ "own_write", memory_own_write, "P10: nor one that answers from it" },
	{ "own_killed", memory_own_killed, "P10, P11: killed while its exit waits for itself: forced removal works" },
	{ "registered", memory_registered, "P10: io_uring's registered buffers and files" },
	{ NULL, NULL, NULL }
};
