// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's memory must not reach a reader when a daemon answers too little. The tests fill free
 * memory with a secret first, so that fresh pages of the page cache contain the secret.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

#define HEADER		sizeof(struct dm_user_message)
#define SECRET		0x5ec2e75ec2e75ec2ULL
#define SECRET_BYTES	(4 << 20)

static void secret_fill(uint64_t *words, size_t len)
{
	for (size_t i = 0; i < len / sizeof(*words); i++)
		words[i] = SECRET;
}

static bool secret_in(const void *buf, size_t len)
{
	const uint64_t secret = SECRET;

	return memmem(buf, len, &secret, sizeof(secret));
}

/* Fill pages and slab objects with the secret and free them: the kernel uses them next. */
static void secret_spread(void)
{
	uint64_t *area = mmap(NULL, SECRET_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static uint64_t packet[1024];
	int sock[2];

	NEED(area != MAP_FAILED, "map memory");
	secret_fill(area, SECRET_BYTES);
	secret_fill(packet, sizeof(packet));
	NEED(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sock), "create a socket pair");
	while (send(sock[0], packet, sizeof(packet), 0) > 0)
		;
	close(sock[0]);
	close(sock[1]);
	munmap(area, SECRET_BYTES);
}

/*
 * A read through the page cache, by system call or by mapping. It runs in a process of its own: its
 * page fault may hold a lock that the daemon needs to map memory.
 */
struct peek {
	char dev[32];
	bool map;
	uint64_t at;
	size_t len;
	pid_t pid;
	atomic_bool done;
	int result;
	uint8_t buf[16384];
};

static sigjmp_buf peek_escape;

static void peek_bus_error(int number)
{
	siglongjmp(peek_escape, 1);
}

static int peek_by_map(struct peek *p, int fd)
{
	uint8_t *area = mmap(NULL, p->len, PROT_READ, MAP_SHARED, fd, p->at);

	if (area == MAP_FAILED)
		return -errno;
	madvise(area, p->len, MADV_RANDOM);
	signal(SIGBUS, peek_bus_error);
	if (sigsetjmp(peek_escape, 1))
		return -EIO;
	memcpy(p->buf, area, p->len);
	return 0;
}

static void peek_run(struct peek *p)
{
	/* An inherited descriptor would keep the channel open when the daemon closes it. */
	int fd = close_range(3, ~0U, 0) ? -1 : open(p->dev, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	if (p->map) {
		p->result = peek_by_map(p, fd);
	} else {
		got = pread(fd, p->buf, p->len, p->at);
		p->result = got < 0 ? -errno : got == (ssize_t)p->len ? 0 : -EMSGSIZE;
	}
	p->done = true;
	_exit(0);
}

static struct peek *peek_start(const struct target *t, bool map, uint64_t at, size_t len)
{
	struct peek *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			      -1, 0);

	NEED(p != MAP_FAILED && len <= sizeof(p->buf), "map shared memory");
	p->map = map;
	p->at = at;
	p->len = len;
	memset(p->buf, 0xee, sizeof(p->buf));
	snprintf(p->dev, sizeof(p->dev), "%s", t->dev);
	p->pid = fork();
	if (p->pid == 0)
		peek_run(p);
	return p;
}

static void peek_end(struct peek *p)
{
	waitpid(p->pid, NULL, 0);
	munmap(p, sizeof(*p));
}

/* How a daemon fails to answer. */
enum lie { LIE_ERROR, LIE_UNSUPPORTED, LIE_CLOSED, LIE_CLOSED_HALF, LIE_FAILED_HALF, LIES };

static void lie_tell(const struct target *t, int *fd, enum lie lie)
{
	uint8_t *payload = abi_buffer(ABI_MAX_IO);
	struct dm_user_message m;

	IS(ch_take(*fd, &m, NULL, 0), 0, "take");
	sign(payload, m.sector, m.len, POISON);
	if (lie == LIE_ERROR || lie == LIE_UNSUPPORTED) {
		IS(ch_answer(*fd, &m, lie == LIE_ERROR ? 1 : 2, NULL, 0), 0, "an error");
	} else {
		m.type = 0;
		if (lie != LIE_CLOSED) {
			IS(ch_write(*fd, &m, HEADER), HEADER, "a header");
			IS(ch_write(*fd, payload, m.len / 2 + 100), m.len / 2 + 100,
			   "half a payload");
		}
		if (lie == LIE_FAILED_HALF)
			IS(dm_message(t->name, "fail"), 0, "message fail");
		close(*fd);
		*fd = ch_need(t);
	}
	free(payload);
}

/* Serve until @p is done: with @lie, or (LIES) honestly. */
static void peek_serve(struct peek *p, const struct target *t, int *fd, enum lie lie)
{
	uint8_t *payload = abi_buffer(ABI_MAX_IO);
	struct dm_user_message m;

	while (NEED_UNTIL(p->done || ch_poll(*fd) & POLLIN) && !p->done) {
		if (lie != LIES) {
			lie_tell(t, fd, lie);
			continue;
		}
		IS(ch_take(*fd, &m, NULL, 0), 0, "take");
		sign(payload, m.sector, m.len, HONEST);
		IS(ch_answer(*fd, &m, 0, payload, 0), 0, "answer");
	}
	free(payload);
}

static void leak_cached(void)
{
	struct target t;
	struct peek *p;
	int fd, keeper;

	target_create(&t, "orphans:fail");
	fd = ch_need(&t);
	/* This descriptor keeps the page cache when a reader closes the device. */
	keeper = open(t.dev, O_RDONLY | O_CLOEXEC);
	NEED(keeper >= 0 && !ioctl(keeper, BLKRASET, 0), "open the device");
	for (int i = 0; i < 2 * LIES; i++) {
		bool map = i & 1;
		uint64_t at = i * 65536;

		secret_spread();
		p = peek_start(&t, map, at, 16384);
		peek_serve(p, &t, &fd, i / 2);
		OK(p->result < 0, "lie %d: the %s fails", i / 2, map ? "access" : "read");
		OK(!secret_in(p->buf, p->len),
		   "lie %d: nothing of the kernel's memory is in the buffer", i / 2);
		OK(is_untouched_or_signed(p->buf, at / 512, p->len),
		   "lie %d: no foreign byte is in the buffer", i / 2);
		peek_end(p);
		/* The page cache must not take the failed read for valid. */
		p = peek_start(&t, !map, at, 16384);
		peek_serve(p, &t, &fd, LIES);
		IS(p->result, 0, "a read with an honest answer");
		OK(is_signed(p->buf, at / 512, p->len, HONEST), "the reader gets the honest bytes");
		peek_end(p);
	}
	close(keeper);
	close(fd);
	target_remove(&t);
}

/* A device of odd length has blocks of 512 bytes, eight in a page: a bad block spoils no other. */
static void leak_blocks(void)
{
	uint8_t *payload = abi_buffer(65536);
	struct dm_user_message m;
	struct target t;
	struct peek *p;
	int fd, keeper;

	target_create_as(&t, ABI_NAME, ABI_CTL, 2047, NULL);
	fd = ch_need(&t);
	keeper = open(t.dev, O_RDONLY | O_CLOEXEC);
	NEED(keeper >= 0 && !ioctl(keeper, BLKRASET, 0), "open the device");
	for (int i = 0; i < 32; i++) {
		uint64_t at = i < 16 ? i / 8 * 65536 + i % 8 * 512 : (2047 - 7 + i % 7) * 512;

		if (i % 8 == 0)
			secret_spread();
		p = peek_start(&t, false, at, 512);
		while (NEED_UNTIL(p->done || ch_poll(fd) & POLLIN) && !p->done) {
			IS(ch_take(fd, &m, NULL, 0), 0, "take");
			sign(payload, m.sector, m.len, HONEST);
			/* Odd blocks are bad, and so are requests of more than one block. */
			IS(ch_answer(fd, &m, m.len > 512 || m.sector & 1, payload, 0), 0, "answer");
		}
		if (at / 512 & 1)
			OK(p->result < 0,
			   "bad block %llu is not read", (unsigned long long)at / 512);
		if (p->result == 0)
			OK(is_signed(p->buf, at / 512, 512, HONEST),
			   "block %llu has the daemon's bytes", (unsigned long long)at / 512);
		OK(!secret_in(p->buf, 512), "nothing of the kernel's memory is in block %llu",
		   (unsigned long long)at / 512);
		peek_end(p);
	}
	close(keeper);
	close(fd);
	free(payload);
	target_remove(&t);
}

/* The kernel writes exactly the documented bytes to the daemon's memory, and none beyond. */
static void leak_to_daemon(void)
{
	struct { uint64_t before; struct dm_user_info info; uint64_t after; } guarded;
	struct { struct dm_user_drain drain; uint64_t after; } drain = { .after = SECRET };
	uint8_t *buf = abi_buffer(16384);
	struct dm_user_message *m = (void *)(buf + 64);
	struct target t;
	struct io *io;
	int fd;

	secret_spread();
	target_create(&t, NULL);
	fd = ch_need(&t);
	for (size_t chunk = 1; chunk <= HEADER; chunk += 13) {
		io = io_start(&t, IO_WRITE, 4096, 4096, chunk);
		OK(ch_ready(fd, POLLIN), "a request");
		for (size_t at = 0; at < HEADER; ) {
			ssize_t got;

			memset(buf + 64 + at, 0xc7, 8192);
			got = ch_read(fd, buf + 64 + at, HEADER - at < chunk ? HEADER - at : chunk);
			NEED(got > 0, "read(): %zd", got);
			at += got;
			OK(buf[64 + at] == 0xc7 && !memcmp(buf + 64 + at, buf + 64 + at + 1, 4096),
			   "after %zu bytes of a header nothing more is written", at);
		}
		IS(m->type, DM_USER_REQ_MAP_WRITE, "type");
		IS(m->sector, 8, "sector");
		IS(m->len, 4096, "len");
		IS(m->flags & ~0x7ffffULL, 0, "no flag without a name");
		struct dm_user_message held = *m;

		memset(buf, 0xc7, 16384);
		IS(ch_read(fd, buf + 1, 16000), 4096, "a payload at an odd address");
		OK(buf[0] == 0xc7 && buf[4097] == 0xc7 && !memcmp(buf + 4097, buf + 4098, 8192),
		   "nothing beside the payload is written");
		memmove(buf, buf + 1, 4096);
		OK(abi_filled(buf, 4096, chunk), "the payload is the client's");
		IS(ch_answer(fd, &held, 0, NULL, 0), 0, "answer");
		IS(io_end(io), 0, "write");
	}
	memset(&guarded, 0xc7, sizeof(guarded));
	IS(ioctl(fd, DM_USER_IOC_INFO, &guarded.info), 0, "info");
	OK(guarded.before == 0xc7c7c7c7c7c7c7c7 && guarded.after == 0xc7c7c7c7c7c7c7c7,
	   "info writes its struct only");
	OK(!guarded.info.reserved[0] &&
	   !memcmp(guarded.info.reserved, guarded.info.reserved + 1, 24),
	   "the reserved fields of info are zero");
	IS(ioctl(fd, DM_USER_IOC_DRAIN, &drain), 0, "drain");
	OK(drain.after == SECRET && !drain.drain.reserved, "drain writes its struct only");
	close(fd);
	target_remove(&t);
	free(buf);
}

const struct abi_test abi_hostile_leak[] = {
	{ "cached", leak_cached,
	  "P10: no failed or partial answer leaves the kernel's bytes in the page cache" },
	{ "blocks", leak_blocks, "P10: a bad block of a page is not read, and spoils no other" },
	{ "to_daemon", leak_to_daemon, "P10: a daemon gets the documented bytes, and no others" },
	{ NULL, NULL, NULL }
};
