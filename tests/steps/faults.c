// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/steps/steps.h"

#define CGROUPS		"/tmp/cgroups"
#define OOM		CGROUPS "/oom"
#define OOM_BYTES	"524288"
#define CALLS_MAX	10000

/* System calls that the manual pages, or the kernel's sources, let fail with ENOMEM. */
static const int fallible[] = {
	SYS_read, SYS_write, SYS_openat, SYS_poll, SYS_mmap, SYS_mprotect, SYS_ioctl, SYS_pread64,
	SYS_pwrite64, SYS_writev, SYS_socket, SYS_sendmsg, SYS_recvmsg, SYS_bind, SYS_clone,
	SYS_clone3, SYS_fork, SYS_mkdir, SYS_rename, SYS_mlockall, SYS_mount, SYS_umount2,
	SYS_pivot_root, SYS_prctl, SYS_capset, SYS_flock, SYS_unshare, SYS_accept4, SYS_signalfd4,
	SYS_eventfd2, SYS_dup3, SYS_pipe2, SYS_timerfd_create, SYS_newfstatat, SYS_seccomp,
	SYS_memfd_create, SYS_pidfd_open, SYS_fdatasync, SYS_fallocate,
	444 /* landlock_create_ruleset */, 445 /* landlock_add_rule */,
	446 /* landlock_restrict_self */,
};

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("cannot write %s to %s: %s", text, path, strerror(errno));
	close(fd);
}

void faults_open(void)
{
	if (mkdir(CGROUPS, 0700) || mount("none", CGROUPS, "cgroup2", 0, NULL))
		die("cannot mount control groups: %s", strerror(errno));
	put(CGROUPS "/cgroup.subtree_control", "+memory");
	if (mkdir(OOM, 0700))
		die("cannot make %s: %s", OOM, strerror(errno));
	put(OOM "/memory.max", OOM_BYTES);
}

static bool may_fail(long call)
{
	for (size_t i = 0; i < sizeof(fallible) / sizeof(fallible[0]); i++)
		if (fallible[i] == call)
			return true;
	return false;
}

/* Run to the next entry or exit of a system call. False: to a breakpoint or the thread's end. */
static bool to_call(struct tracee *tracee)
{
	pid_t thread = tracee->held;
	int status, signal = 0;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, thread, 0, signal) ||
		    waitpid(thread, &status, __WALL) != thread)
			return false;
		if (!WIFSTOPPED(status)) {
			tracee->dead = true;
			return false;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			return true;
		if (WSTOPSIG(status) == SIGTRAP && !(status >> 16))
			return false;
		signal = status >> 16 ? 0 : WSTOPSIG(status);
	}
}

/*
 * A call without effect takes the place of the call that must fail: no filter forbids it, and its
 * arguments make it fail.
 */
static bool fail_call(struct tracee *tracee)
{
	pid_t thread = tracee->held;
	struct user_regs_struct regs, changed;

	ptrace(PTRACE_GETREGS, thread, 0, &regs);
	changed = regs;
	changed.orig_rax = SYS_clock_gettime;
	changed.rdi = CLOCK_MONOTONIC;
	changed.rsi = 0;
	ptrace(PTRACE_SETREGS, thread, 0, &changed);
	if (!to_call(tracee))
		return false;
	ptrace(PTRACE_GETREGS, thread, 0, &changed);
	changed.rax = (unsigned long)-ENOMEM;
	changed.rdi = regs.rdi;
	changed.rsi = regs.rsi;
	ptrace(PTRACE_SETREGS, thread, 0, &changed);
	return true;
}

static bool fail_memory(struct tracee *tracee)
{
	ptrace(PTRACE_SETOPTIONS, tracee->held, 0, PTRACE_O_TRACESYSGOOD);
	tracee_step_off(tracee);
	for (unsigned int i = 0; i < CALLS_MAX; i++) {
		if (!to_call(tracee))
			return false;
		if (may_fail(ptrace(PTRACE_PEEKUSER, tracee->held,
				    offsetof(struct user, regs.orig_rax), 0)))
			return fail_call(tracee);
		if (!to_call(tracee))
			return false;
	}
	return false;
}

static unsigned int oom_kills(void)
{
	char text[512] = "";
	int fd = open(OOM "/memory.events", O_RDONLY | O_CLOEXEC);
	const char *at;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		die("cannot read %s: %s", OOM "/memory.events", strerror(errno));
	close(fd);
	at = strstr(text, "oom_kill ");
	return at ? (unsigned int)atoi(at + strlen("oom_kill ")) : 0;
}

/* A process in the victim's control group, which has little memory, takes more than there is. */
static void oom_kill(const struct tracee *tracee)
{
	unsigned int before = oom_kills();
	char path[64], pid[16];
	static char bytes[65536];
	pid_t hog;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", tracee->pid);
	put(path, "1000");
	snprintf(pid, sizeof(pid), "%d", tracee->pid);
	put(OOM "/cgroup.procs", pid);
	hog = fork();
	if (!hog) {
		put("/proc/self/oom_score_adj", "-1000");
		put(OOM "/cgroup.procs", "0");
		fd = memfd_create("hog", MFD_CLOEXEC);
		for (unsigned int i = 0; i < 64 && write(fd, bytes, sizeof(bytes)) > 0; i++)
			;
		_exit(0);
	}
	waitpid(hog, NULL, 0);
	if (oom_kills() != before + 1)
		die("the OOM killer has not chosen %d", tracee->pid);
}

static bool with_socket(struct tracee *tracee, enum fault fault)
{
	static const char junk[100] = "this is no message";
	struct dmu_context daemon;
	int fd = -1;

	if (tracee_read(tracee, &daemon))
		fd = tracee_fd(tracee, daemon.peer.socket);
	if (fd < 0)
		return false;
	if (fault == FAULT_HANGUP)
		shutdown(fd, SHUT_RDWR);
	else
		send(fd, junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
	tracee_release(tracee, 0);
	return true;
}

bool fault_inject(struct tracee *tracee, enum fault fault)
{
	switch (fault) {
	case FAULT_KILL:
		tracee_release(tracee, SIGKILL);
		return true;
	case FAULT_STOP:
		tracee_release(tracee, SIGSTOP);
		return true;
	case FAULT_TERM:
		tracee_release(tracee, SIGTERM);
		return true;
	case FAULT_MEMORY:
		if (!fail_memory(tracee))
			return false;
		tracee_release(tracee, 0);
		return true;
	case FAULT_HANGUP:
	case FAULT_GARBAGE:
		return with_socket(tracee, fault);
	case FAULT_OOM:
		oom_kill(tracee);
		/* The victim is dead already. */
		tracee_release(tracee, SIGKILL);
		return true;
	default:
		die("no such fault: %d", fault);
	}
}
