// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every system call of the second stage while it serves. Any other kills it,
 * and the kernel log names it (type=1326).
 */
#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <malloc.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <linux/dm-user.h>

#include "second_stage/confine.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* With any arguments. */
static const int dmu_syscalls_any[] = {
	/* Channels, events, timers, signals, the kernel log, the answer to who waits for it. */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(timerfd_settime), SCMP_SYS(close),
	/* The store, and once the proof. */
	SCMP_SYS(pread64),
	/* The handover socket; there is no call to make or connect another. */
	SCMP_SYS(accept4), SCMP_SYS(listen), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getpid),
	/*
	 * The place of the next newcomer's pidfd, for the kill below. Whoever is to be killed has
	 * sent its own: no call makes a pidfd of somebody else. And new channels in the place of
	 * drained ones, when a handover fails late.
	 */
	SCMP_SYS(dup3),
	/* Locks between threads. */
	SCMP_SYS(futex),
	/* Where the clock cannot be read without a call. */
	SCMP_SYS(clock_gettime),
	/* To go on after a stop, and to end. */
	SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group),
};

/* On the store's descriptors only. */
static const int dmu_syscalls_store[] = {
	SCMP_SYS(pwrite64), SCMP_SYS(fallocate), SCMP_SYS(fdatasync),
};

static const unsigned int dmu_ioctls_store[] = { BLKDISCARD, BLKSECDISCARD, BLKZEROOUT };

/* The other commands are answered with ENOTTY by whatever is no channel. */
static const unsigned int dmu_ioctls_channel[] = {
	DM_USER_IOC_INFO, DM_USER_IOC_JOIN, DM_USER_IOC_DRAIN, DM_USER_IOC_SEAL, DM_USER_IOC_OPEN,
};

static int dmu_syscalls_allow_store(scmp_filter_ctx filter, unsigned int fd)
{
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < ARRAY_SIZE(dmu_syscalls_store); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, dmu_syscalls_store[i], 1,
				      SCMP_A0_32(SCMP_CMP_EQ, fd));
	for (i = 0; !rc && i < ARRAY_SIZE(dmu_ioctls_store); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 2,
				      SCMP_A0_32(SCMP_CMP_EQ, fd),
				      SCMP_A1_32(SCMP_CMP_EQ, dmu_ioctls_store[i]));
	return rc;
}

/* Nobody can be signalled but the other side of a handover, and that only be killed. */
static int dmu_syscalls_allow_fence(scmp_filter_ctx filter, unsigned int peer_pidfd)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(pidfd_send_signal), 4,
				SCMP_A0_32(SCMP_CMP_EQ, peer_pidfd),
				SCMP_A1_32(SCMP_CMP_EQ, SIGKILL), SCMP_A2_64(SCMP_CMP_EQ, 0),
				SCMP_A3_32(SCMP_CMP_EQ, 0));
}

static int dmu_syscalls_fill(scmp_filter_ctx filter, const struct dmu_confinement *confinement)
{
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < ARRAY_SIZE(dmu_syscalls_any); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, dmu_syscalls_any[i], 0);
	for (i = 0; !rc && i < ARRAY_SIZE(dmu_ioctls_channel); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				      SCMP_A1_32(SCMP_CMP_EQ, dmu_ioctls_channel[i]));
	for (i = 0; !rc && i < (size_t)confinement->backend_fd_count; i++)
		rc = dmu_syscalls_allow_store(filter, (unsigned int)confinement->backend_fds[i]);
	return rc ? rc : dmu_syscalls_allow_fence(filter, (unsigned int)confinement->peer_pidfd);
}

int dmu_syscalls_filter(const struct dmu_confinement *confinement, char *error, size_t len)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	const char *step = "make";
	int rc = -ENOMEM;

	/* Once the filter is there, free() must give nothing back: brk and munmap are forbidden. */
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_MMAP_THRESHOLD, INT_MAX);
	if (!filter)
		goto out;
	rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!rc)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!rc)
		rc = dmu_syscalls_fill(filter, confinement);
	if (rc)
		goto out;
	step = "load";
	rc = seccomp_load(filter);
out:
	if (rc)
		snprintf(error, len, "cannot %s the filter of system calls: %s", step,
			 strerrordesc_np(-rc));
	if (filter)
		seccomp_release(filter);
	return rc;
}
