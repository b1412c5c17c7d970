// SPDX-License-Identifier: GPL-2.0-or-later
/* Code that the hostile groups share. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hostile.h"

static uint64_t sign_tag(uint64_t sector, enum signer signer)
{
	return (uint64_t)signer << 48 | sector;
}

void sign(void *buf, uint64_t sector, size_t len, enum signer signer)
{
	for (size_t at = 0; at < len; at += 512)
		abi_fill(buf + at, 512, sign_tag(sector + at / 512, signer));
}

bool is_signed(const void *buf, uint64_t sector, size_t len, enum signer signer)
{
	for (size_t at = 0; at < len; at += 512)
		if (!abi_filled(buf + at, 512, sign_tag(sector + at / 512, signer)))
			return false;
	return true;
}

bool is_untouched_or_signed(const void *buf, uint64_t sector, size_t len)
{
	uint8_t honest[512], poison[512];
	const uint8_t *bytes = buf;

	for (size_t at = 0; at < len; at++) {
		if (at % 512 == 0) {
			sign(honest, sector + at / 512, 512, HONEST);
			sign(poison, sector + at / 512, 512, POISON);
		}
		if (bytes[at] != 0xee && bytes[at] != honest[at % 512] &&
		    bytes[at] != poison[at % 512])
			return false;
	}
	return true;
}

unsigned int rounds(unsigned int emulated)
{
	/* Only user-mode Linux has this file. */
	return access("/proc/exitcode", F_OK) ? emulated : 10 * emulated;
}

/* ---- the bystander ---- */

#define BYSTANDER_SECTORS	2048
#define BYSTANDER_LEN		4096

static bool bystander_turn(int dev, uint8_t *buf, uint64_t turn)
{
	uint64_t at = turn * 7 % (BYSTANDER_SECTORS * 512 / BYSTANDER_LEN) * BYSTANDER_LEN;
	bool good;

	abi_fill(buf, BYSTANDER_LEN, turn);
	good = IS(pwrite(dev, buf, BYSTANDER_LEN, at), BYSTANDER_LEN, "the bystander's write");
	memset(buf, 0xee, BYSTANDER_LEN);
	good &= IS(pread(dev, buf, BYSTANDER_LEN, at), BYSTANDER_LEN, "the bystander's read");
	good &= OK(abi_filled(buf, BYSTANDER_LEN, turn), "the bystander's bytes");
	return good;
}

static void *bystander_client(void *arg)
{
	uint8_t *buf = abi_buffer(BYSTANDER_LEN);
	struct bystander *b = arg;

	while (!b->stop && bystander_turn(b->dev, buf, b->turns)) {
		b->turns++;
		abi_nap();
	}
	close(b->dev);
	free(buf);
	b->gone = true;
	return NULL;
}

void bystander_start(struct bystander *b)
{
	memset(b, 0, sizeof(*b));
	b->store = abi_buffer(BYSTANDER_SECTORS * 512);
	target_create_as(&b->t, ABI_NAME "2", ABI_CTL "2", BYSTANDER_SECTORS, NULL);
	server_start(&b->server, ch_need(&b->t), b->store);
	/* Opened here, before a test uses up the descriptors. */
	b->dev = open(b->t.dev, O_RDWR | O_DIRECT | O_CLOEXEC);
	NEED(b->dev >= 0, "open the bystander's device");
	NEED(!pthread_create(&b->client, NULL, bystander_client, b), "create a thread");
}

void bystander_check(struct bystander *b, const char *when)
{
	unsigned long before = b->turns;

	OK(UNTIL(b->turns > before + 1), "%s: the bystander makes progress", when);
}

void bystander_stop(struct bystander *b)
{
	bystander_check(b, "at the end");
	b->stop = true;
	NEED(UNTIL(b->gone), "the bystander's client ends");
	pthread_join(b->client, NULL);
	IS(ch_drain(b->server.fd, 0, NULL), 0, "drain the bystander");
	IS(server_join(&b->server), 0, "the bystander's daemon ends");
	close(b->server.fd);
	free(b->store);
	target_remove(&b->t);
}

/* ---- calls that hang ---- */

static void *call_thread(void *arg)
{
	struct call *c = arg;
	long ret;

	c->tid = abi_gettid();
	switch (c->what) {
	case CALL_READ:
		ret = read(c->fd, c->buf, c->len);
		break;
	case CALL_WRITE:
		ret = write(c->fd, c->buf, c->len);
		break;
	default:
		ret = ioctl(c->fd, c->command, c->buf);
		break;
	}
	c->result = ret < 0 ? -errno : ret;
	c->done = true;
	return NULL;
}

void call_start(struct call *c)
{
	c->tid = 0;
	c->done = false;
	NEED(!pthread_create(&c->thread, NULL, call_thread, c), "create a thread");
}

long call_end(struct call *c)
{
	NEED(UNTIL(c->done), "a call that hung returns");
	pthread_join(c->thread, NULL);
	return c->result;
}

void take_back(const struct target *t)
{
	IS(dm_suspend(t->name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG), 0, "noflush suspend");
	IS(dm_resume(t->name, 0), 0, "resume");
}

void *memory_never(size_t len, int *uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	void *area;

	*uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (*uffd < 0) {
		puts("# no userfaultfd here");
		return NULL;
	}
	area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(area != MAP_FAILED, "map memory");
	reg.range.start = (uintptr_t)area;
	reg.range.len = len;
	NEED(!ioctl(*uffd, UFFDIO_API, &api) && !ioctl(*uffd, UFFDIO_REGISTER, &reg),
	     "register the memory");
	return area;
}

void memory_asked_for(int uffd, const uint8_t *area, unsigned int pages)
{
	struct pollfd poller = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;

	NEED(poll(&poller, 1, ABI_WAIT_MS) == 1 && read(uffd, &msg, sizeof(msg)) == sizeof(msg),
	     "a thread waits for a page");
	OK(msg.event == UFFD_EVENT_PAGEFAULT &&
	   msg.arg.pagefault.address - (uintptr_t)area < pages * 4096,
	   "the page is one of the expected pages");
}
