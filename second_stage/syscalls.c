// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Every system call of the second stage while it serves, by role. Any other kills it, as do calls
 * of x32, of i386 (int $0x80) and of whatever else is not native; the kernel log names it
 * (type=1326). Nothing here gives new memory, so none of a process is ever executable that was not
 * when it started; nothing opens, makes a socket, or begins a process or a thread.
 *
 * Beside the functions that make such calls, comments "#syscalls ROLE: NAME..." say so, with the
 * role main, io, both, or state (the main thread, for a backend that has state in memory). The unit
 * test test_syscalls proves that there are rules for the calls of these comments and no others.
 *
 * Threads share their memory. An attacker that can write to the memory of an I/O thread can make
 * the main thread do its calls: two lists are not two sandboxes. They keep the calls of the
 * handover away from the I/O threads, whose code parses requests.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <malloc.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/dm-user.h>
#include <linux/seccomp.h>

#include "second_stage/walls.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* ---- the lists ---- */

/* Both roles, with any arguments. */
static const int dmu_calls_both[] = {
	/* Channels, events, the kernel log; what the handover tells. */
	SCMP_SYS(read), SCMP_SYS(write),
	/* The store; once the proof. */
	SCMP_SYS(pread64),
	/* To wait, and to go on waiting after a stop. */
#ifdef SYS_poll
	SCMP_SYS(poll),
#else
	SCMP_SYS(ppoll),
#endif
	SCMP_SYS(restart_syscall),
	/* Where the clock cannot be read without a call. */
	SCMP_SYS(clock_gettime),
};

static const int dmu_calls_io[] = {
	/* An answer with its payload. */
	SCMP_SYS(writev),
};

static const int dmu_calls_main[] = {
	/* Steps of the handover that time out. */
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(close),
	SCMP_SYS(getpid),
	SCMP_SYS(exit_group),
};

/* Locks between threads; none of the operations that are for other kinds of locks. */
static const unsigned int dmu_futex_operations[] = {
	FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE, FUTEX_WAIT_BITSET_PRIVATE,
	FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME,
};

/* Main; answered with ENOTTY by whatever is no channel. */
static const unsigned int dmu_ioctls_channel[] = {
	DM_USER_IOC_INFO, DM_USER_IOC_JOIN, DM_USER_IOC_DRAIN, DM_USER_IOC_SEAL, DM_USER_IOC_OPEN,
	DM_USER_IOC_MAP, DM_USER_IOC_SYNC, DM_USER_IOC_CLEAN, DM_USER_IOC_DROP,
};

/*
 * Main, on a room for a backend's state only; without such a backend there is none. Its own room it
 * unmaps, once.
 */
static const int dmu_fcntls_room[] = { F_ADD_SEALS, F_GET_SEALS };

/* ---- how they become filters ---- */

/* The first failure is kept, and after it nothing is added. */
struct dmu_list {
	scmp_filter_ctx filter;
	struct dmu_syscalls *syscalls;
	int failed;			/* number of the call whose rule failed */
	int rc;
};

static void dmu_allow_array(struct dmu_list *list, int call, unsigned int count,
			    const struct scmp_arg_cmp *args)
{
	const unsigned int numbers = 64 * ARRAY_SIZE(list->syscalls->calls);

	if (!list->rc && (call < 0 || (unsigned int)call >= numbers))
		list->rc = -EINVAL;
	if (!list->rc)
		list->rc = seccomp_rule_add_array(list->filter, SCMP_ACT_ALLOW, call, count, args);
	if (list->rc) {
		list->failed = list->failed ? list->failed : call;
		return;
	}
	list->syscalls->rules++;
	list->syscalls->calls[call / 64] |= 1ULL << call % 64;
}

#define dmu_allow(list, call, ...) \
	dmu_allow_array(list, call, ARRAY_SIZE(((struct scmp_arg_cmp[]){ __VA_ARGS__ })), \
			(struct scmp_arg_cmp[]){ __VA_ARGS__ })

/* The argument of that number, an int, is @value. */
#define ARG(number, value)	SCMP_CMP32(number, SCMP_CMP_EQ, (uint32_t)(value))
#define ARG_NULL(number)	SCMP_CMP64(number, SCMP_CMP_EQ, 0)

static void dmu_allow_each(struct dmu_list *list, const int *calls, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		dmu_allow_array(list, calls[i], 0, NULL);
}

static void dmu_allow_both(struct dmu_list *list)
{
	size_t i;

	dmu_allow_each(list, dmu_calls_both, ARRAY_SIZE(dmu_calls_both));
	for (i = 0; i < ARRAY_SIZE(dmu_futex_operations); i++)
		dmu_allow(list, SCMP_SYS(futex), ARG(1, dmu_futex_operations[i]));
}

static void dmu_allow_store(struct dmu_list *list, const struct dmu_syscall *syscall, int fd)
{
	struct scmp_arg_cmp args[1 + ARRAY_SIZE(syscall->match)] = { ARG(0, fd) };
	unsigned int count = 1;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(syscall->match); i++) {
		if (!syscall->match[i].argument)
			continue;
		if (syscall->match[i].argument > 5)
			list->rc = list->rc ? list->rc : -EINVAL;
		else
			args[count++] = SCMP_CMP64(syscall->match[i].argument, SCMP_CMP_EQ,
						   syscall->match[i].value);
	}
	dmu_allow_array(list, syscall->number, count, args);
}

static void dmu_allow_io(struct dmu_list *list, const struct dmu_confinement *confinement)
{
	unsigned int n;
	int i;

	dmu_allow_each(list, dmu_calls_io, ARRAY_SIZE(dmu_calls_io));
	for (n = 0; n < confinement->backend_syscall_count; n++)
		for (i = 0; i < confinement->backend_fd_count; i++)
			dmu_allow_store(list, &confinement->backend_syscalls[n],
					confinement->backend_fds[i]);
	/* A daemon whose store the kernel maps has no descriptor of it, and this call instead. */
	if (confinement->remaps)
		for (i = 0; i < confinement->channel_count; i++)
			dmu_allow(list, SCMP_SYS(ioctl), ARG(0, confinement->channels[i]),
				  ARG(1, DM_USER_IOC_CLEAN));
	/* A channel that failed is closed by putting the threads' event in its place. */
	for (i = 0; i < confinement->channel_count; i++)
		dmu_allow(list, SCMP_SYS(dup3),
			  ARG(0, confinement->event_fd), ARG(1, confinement->channels[i]),
			  ARG(2, O_CLOEXEC));
}

/* The handover's socket, and those that it accepts; there is no call to make or connect another. */
static void dmu_allow_handover(struct dmu_list *list, const struct dmu_confinement *confinement)
{
	int i;

	dmu_allow(list, SCMP_SYS(listen), ARG(0, confinement->listener));
	dmu_allow(list, SCMP_SYS(accept4), ARG(0, confinement->listener), ARG_NULL(1), ARG_NULL(2),
		  ARG(3, SOCK_CLOEXEC | SOCK_NONBLOCK));
	dmu_allow(list, SCMP_SYS(getsockopt), ARG(1, SOL_SOCKET), ARG(2, SO_PEERCRED));
	dmu_allow(list, SCMP_SYS(recvmsg), ARG(2, MSG_CMSG_CLOEXEC | MSG_DONTWAIT));
	dmu_allow(list, SCMP_SYS(sendmsg), ARG(2, MSG_NOSIGNAL | MSG_DONTWAIT));
	/*
	 * The daemon can signal its peer in a handover alone, and only by SIGKILL. The peer sends
	 * its own pidfd, which gets a number that is known by now: no call here makes a pidfd of
	 * another process.
	 */
	dmu_allow(list, SCMP_SYS(dup3), ARG(1, confinement->peer_pidfd), ARG(2, O_CLOEXEC));
	dmu_allow(list, SCMP_SYS(waitid), ARG(0, P_PIDFD), ARG(1, confinement->peer_pidfd));
	dmu_allow(list, SCMP_SYS(pidfd_send_signal), ARG(0, confinement->peer_pidfd),
		  ARG(1, SIGKILL), ARG_NULL(2), ARG(3, 0));
	/* New channels in the place of drained ones, when a handover fails late. */
	for (i = 0; i < confinement->channel_count; i++)
		dmu_allow(list, SCMP_SYS(dup3), ARG(1, confinement->channels[i]),
			  ARG(2, O_CLOEXEC));
}

static void dmu_allow_room(struct dmu_list *list, const struct dmu_confinement *confinement)
{
	const int fd = confinement->room_fd;
	size_t i;

	if (fd < 0)
		return;
	dmu_allow(list, SCMP_SYS(pwrite64), ARG(0, fd));
	dmu_allow(list, SCMP_SYS(dup3), ARG(1, fd), ARG(2, O_CLOEXEC));
	for (i = 0; i < ARRAY_SIZE(dmu_fcntls_room); i++)
		dmu_allow(list, SCMP_SYS(fcntl), ARG(0, fd), ARG(1, dmu_fcntls_room[i]));
	if (confinement->room_map)
		dmu_allow(list, SCMP_SYS(munmap),
			  SCMP_CMP64(0, SCMP_CMP_EQ, (uintptr_t)confinement->room_map),
			  SCMP_CMP64(1, SCMP_CMP_EQ, confinement->room_size));
}

static void dmu_allow_main(struct dmu_list *list, const struct dmu_confinement *confinement)
{
	size_t i;

	dmu_allow_each(list, dmu_calls_main, ARRAY_SIZE(dmu_calls_main));
	/* Once, to live on without the process that started it. */
	dmu_allow(list, SCMP_SYS(prctl), ARG(0, PR_SET_PDEATHSIG), ARG_NULL(1));
	for (i = 0; i < ARRAY_SIZE(dmu_ioctls_channel); i++)
		dmu_allow(list, SCMP_SYS(ioctl), ARG(1, dmu_ioctls_channel[i]));
	dmu_allow_handover(list, confinement);
	dmu_allow_room(list, confinement);
}

/* libseccomp writes a program to a descriptor only. */
static int dmu_list_export(const struct dmu_list *list, struct sock_fprog *program)
{
	int rc, fd = memfd_create("filter", MFD_CLOEXEC);
	off_t size;

	if (fd < 0)
		return -errno;
	rc = seccomp_export_bpf(list->filter, fd);
	size = rc ? 0 : lseek(fd, 0, SEEK_END);
	/* Never freed: it is in use to the end, so to say. */
	program->filter = size > 0 ? malloc((size_t)size) : NULL;
	program->len = (unsigned short)((size_t)size / sizeof(*program->filter));
	if (!rc && (!program->filter || pread(fd, program->filter, (size_t)size, 0) != size))
		rc = -EIO;
	close(fd);
	return rc;
}

int dmu_syscalls_build(struct dmu_walls *walls, enum dmu_role role, struct dmu_syscalls *syscalls)
{
	struct dmu_list list = {
		.filter = seccomp_init(SCMP_ACT_KILL_PROCESS), .syscalls = syscalls,
	};

	memset(syscalls, 0, sizeof(*syscalls));
	/* Once the filter is there, free() must give nothing back: brk and munmap are forbidden. */
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_MMAP_THRESHOLD, INT_MAX);
	if (!list.filter) {
		errno = ENOMEM;
		return dmu_walls_fail(walls, "make the filter of system calls");
	}
	list.rc = seccomp_attr_set(list.filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	dmu_allow_both(&list);
	if (role == DMU_ROLE_IO)
		dmu_allow_io(&list, walls->confinement);
	else
		dmu_allow_main(&list, walls->confinement);
	if (!list.rc)
		list.rc = dmu_list_export(&list, &syscalls->program);
	seccomp_release(list.filter);
	if (list.rc && list.failed)
		return dmu_walls_refuse(walls, "cannot allow system call %d: %s", list.failed,
					strerrordesc_np(-list.rc));
	if (list.rc) {
		errno = -list.rc;
		return dmu_walls_fail(walls, "make the filter of system calls");
	}
	return 0;
}

int dmu_syscalls_load(const struct dmu_syscalls *syscalls)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &syscalls->program) ? -errno : 0;
}
