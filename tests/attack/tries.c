// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Attempts of more than one step. They run in a thread of the daemon, as injected code would: on
 * its small stack, and with system calls by CALL() only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-user.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include "tests/attack/attack.h"

#define PAGE		4096L
#define MIB		(1L << 20)
#define GROWN_MIB	16L	/* memory that grows by this much grows without bound */
#define CHILDREN	16
#define DESCRIPTORS	65536
#define TRIES		20000

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD	77	/* Linux 6.5 */
#endif

static char *main_stack;

void attack_remember_stack(void)
{
	char here;

	main_stack = (char *)((uintptr_t)&here & ~(uintptr_t)(PAGE - 1));
}

/* The harmless getpid by the 32-bit entry, where its number is 20. */
long attack_int80(const struct attack_context *context)
{
	long result = 20;

	asm volatile("int $0x80" : "+a"(result) : : "r8", "r9", "r10", "r11", "memory");
	return result;
}

/* ---- growth ---- */

long attack_fork_bomb(const struct attack_context *context)
{
	long result = 0;
	int i;

	for (i = 0; i < CHILDREN && result >= 0; i++) {
		result = CALL(SYS_clone, SIGCHLD);
		if (!result)
			CALL(SYS_exit_group, 0);
		if (result > 0)
			CALL(SYS_wait4, result);
	}
	return result;
}

long attack_grow_mmap(const struct attack_context *context)
{
	long result = 0;
	int i;

	for (i = 0; i < GROWN_MIB && (result >= 0 || result < -PAGE); i++)
		result = CALL(SYS_mmap, 0, MIB, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	return result;
}

long attack_grow_brk(const struct attack_context *context)
{
	long now = CALL(SYS_brk, 0);

	return CALL(SYS_brk, now + GROWN_MIB * MIB) == now ? -ENOMEM : 0;
}

/*
 * The main thread's stack grows without a system call when a page below it is touched. Here the
 * kernel touches it, and returns EFAULT where a thread would die. -EFBIG: it grew without bound.
 */
long attack_grow_stack(const struct attack_context *context)
{
	long result = 0, pages = 0;

	while (pages < GROWN_MIB * MIB / PAGE) {
		result = CALL(SYS_clock_gettime, CLOCK_MONOTONIC,
			      (long)(main_stack - pages * PAGE));
		if (result < 0)
			break;
		pages++;
	}
	if (result >= 0)
		return -EFBIG;
	return result == -EFAULT ? 0 : result;
}

/* -ENFILE: the number of channels has no bound. */
long attack_grow_channels(const struct attack_context *context)
{
	struct dm_user_open arg = { 0 };
	long result = 0;
	int i;

	for (i = 0; i < DESCRIPTORS && result >= 0; i++)
		result = CALL(SYS_ioctl, context->order->values[ATTACK_CHANNEL], DM_USER_IOC_OPEN,
			      (long)&arg);
	return result >= 0 ? -ENFILE : result;
}

long attack_grow_descriptors(const struct attack_context *context)
{
	long result = 0, to;

	for (to = 1024; to < 1024 + DESCRIPTORS && result >= 0; to++)
		result = CALL(SYS_dup3, context->order->values[ATTACK_STORE], to, O_CLOEXEC);
	return result >= 0 ? -ENFILE : result;
}

/* ---- code and death ---- */

/* mov $42, %eax; ret */
static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

long attack_run_data(const struct attack_context *context)
{
	long (*function)(void);

	memcpy(context->buffer, code, sizeof(code));
	memcpy(&function, &(void *){ context->buffer }, sizeof(function));
	return function();
}

/* The memory of a daemon must not be dumped into a file. */
long attack_abort(const struct attack_context *context)
{
	asm volatile("ud2");
	return 0;
}

long attack_memfd_exec(const struct attack_context *context)
{
	static char *argv[] = { ATTACK_NAME, NULL };
	long fd = CALL(SYS_memfd_create, (long)ATTACK_NAME, 0);

	if (fd < 0)
		return fd;
	CALL(SYS_write, fd, (long)"#!/bin/true\n", 12);
	return CALL(SYS_execveat, fd, (long)"", (long)argv, 0, AT_EMPTY_PATH);
}

/* ---- the descriptors that it holds ---- */

/* Not into the store, which a daemon may ruin, nor into the kernel log. */
long attack_garbage(const struct attack_context *context)
{
	const int64_t *values = context->order->values;
	int fd;

	memset(context->buffer, 0xa5, ATTACK_BLOCK);
	for (fd = 0; fd < 64; fd++)
		if (fd != values[ATTACK_STORE] && fd != values[ATTACK_KMSG])
			CALL(SYS_write, fd, (long)context->buffer, 40);
	return 0;
}

long attack_steal_descriptor(const struct attack_context *context)
{
	long pidfd = CALL(SYS_pidfd_open, context->order->values[ATTACK_VICTIM], 0);

	return pidfd < 0 ? pidfd : CALL(SYS_pidfd_getfd, pidfd, 0, 0);
}

long attack_reopen_store(const struct attack_context *context)
{
	long fd = context->order->values[ATTACK_STORE];
	char path[] = "/proc/self/fd/00";

	path[sizeof(path) - 3] = (char)('0' + fd / 10);
	path[sizeof(path) - 2] = (char)('0' + fd % 10);
	return CALL(SYS_openat, AT_FDCWD, (long)path, O_RDWR);
}

static socklen_t abstract_name(struct sockaddr_un *name)
{
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	memcpy(name->sun_path + 1, ATTACK_NAME, sizeof(ATTACK_NAME) - 1);
	return offsetof(struct sockaddr_un, sun_path) + sizeof(ATTACK_NAME);
}

static long send_by_name(const struct attack_context *context, bool descriptor)
{
	union {
		struct cmsghdr header;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	int store = (int)context->order->values[ATTACK_STORE];
	struct iovec iov = { .iov_base = "out", .iov_len = 3 };
	struct sockaddr_un name;
	struct msghdr msg = { .msg_name = &name, .msg_iov = &iov, .msg_iovlen = 1 };
	long result = -ENOENT, rc;
	int fd;

	msg.msg_namelen = abstract_name(&name);
	if (descriptor) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		memcpy(CMSG_DATA(&control.header), &store, sizeof(store));
	}
	/* Through every socket. */
	for (fd = 0; fd < 64; fd++) {
		rc = CALL(SYS_sendmsg, fd, (long)&msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (rc >= 0)
			return rc;
		if (rc != -ENOTSOCK && rc != -EBADF)
			result = rc;
	}
	return result;
}

long attack_send_by_name(const struct attack_context *context)
{
	return send_by_name(context, false);
}

long attack_send_descriptor_by_name(const struct attack_context *context)
{
	return send_by_name(context, true);
}

static long accept_caller(const struct attack_context *context)
{
	long result = -EAGAIN;
	int i;

	for (i = 0; i < TRIES && result == -EAGAIN; i++)
		result = CALL(SYS_accept4, context->order->values[ATTACK_LISTENER], 0, 0,
			      SOCK_CLOEXEC | SOCK_NONBLOCK);
	return result;
}

/* To a peer at the listening socket: the driver's accomplice, which is not root. */
long attack_pass_descriptor(const struct attack_context *context)
{
	return CALL(SYS_accept4, context->order->values[ATTACK_LISTENER], 0, 0,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* The caller is root and unconfined. Its pidfd gets the number that the filter allows to kill. */
long attack_kill_caller(const struct attack_context *context)
{
	long caller = accept_caller(context), rc;
	socklen_t len = sizeof(int);
	int pidfd = -1;

	if (caller < 0)
		return caller;
	rc = CALL(SYS_getsockopt, caller, SOL_SOCKET, SO_PEERPIDFD, (long)&pidfd, (long)&len);
	if (rc < 0)
		return rc;
	rc = CALL(SYS_dup3, pidfd, context->order->values[ATTACK_PEER_PIDFD], O_CLOEXEC);
	if (rc < 0)
		return rc;
	return CALL(SYS_pidfd_send_signal, context->order->values[ATTACK_PEER_PIDFD], SIGKILL, 0,
		    0);
}

long attack_kill_itself(const struct attack_context *context)
{
	const int64_t *values = context->order->values;
	long rc = CALL(SYS_dup3, values[ATTACK_SELF_PIDFD], values[ATTACK_PEER_PIDFD], O_CLOEXEC);

	if (rc < 0)
		return rc;
	return CALL(SYS_pidfd_send_signal, values[ATTACK_PEER_PIDFD], SIGKILL, 0, 0);
}

/* ---- beyond the end of the store ---- */

static long store_range(const struct attack_context *context, unsigned long command, uint64_t start,
			uint64_t len)
{
	uint64_t range[2] = { start, len };

	return CALL(SYS_ioctl, context->order->values[ATTACK_STORE], (long)command, (long)range);
}

long attack_discard_beyond(const struct attack_context *context)
{
	return store_range(context, BLKDISCARD, (uint64_t)context->order->values[ATTACK_SIZE], MIB);
}

/* A range that begins in the store and ends behind it, then one that wraps around. */
long attack_discard_overflow(const struct attack_context *context)
{
	long rc = store_range(context, BLKDISCARD,
			      (uint64_t)context->order->values[ATTACK_SIZE] - PAGE, 2 * PAGE);

	return rc >= 0 ? rc : store_range(context, BLKDISCARD, -(uint64_t)PAGE, 2 * PAGE);
}

long attack_zero_beyond(const struct attack_context *context)
{
	return store_range(context, BLKZEROOUT, (uint64_t)context->order->values[ATTACK_SIZE], MIB);
}

long attack_secure_erase_beyond(const struct attack_context *context)
{
	return store_range(context, BLKSECDISCARD, (uint64_t)context->order->values[ATTACK_SIZE],
			   MIB);
}

/* A channel's ioctls on descriptors that are not channels. */
long attack_drain_other(const struct attack_context *context)
{
	const int64_t *values = context->order->values;
	struct dm_user_drain arg = { 0 };
	long rc;

	rc = CALL(SYS_ioctl, values[ATTACK_STORE], (long)DM_USER_IOC_DRAIN, (long)&arg);
	if (rc >= 0)
		return rc;
	rc = CALL(SYS_ioctl, values[ATTACK_LISTENER], (long)DM_USER_IOC_SEAL, 0);
	return rc >= 0 ? rc : CALL(SYS_ioctl, values[ATTACK_SELF_PIDFD], (long)DM_USER_IOC_SEAL, 0);
}
