// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Breakpoints on whole functions. Each function begins with endbr64, which does nothing here: int3
 * replaces its first byte, and a thread that stopped there goes on behind it. So a breakpoint is
 * never removed for a step, and other threads cannot slip through.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/steps/steps.h"

static const uint8_t endbr64[4] = { 0xf3, 0x0f, 0x1e, 0xfa };

/* Of the serve loop. */
static const char *const io_functions[] = { "channel_read", "channel_writev", "file_read",
					    "file_write" };
/* Steps of a start that are in no list of steps. */
static const char *const start_functions[] = { "dmu_resident_io_flusher", "dmu_launch_detach",
					       "dmu_daemon_connect" };

static uint64_t load_address(pid_t pid, const struct image *image)
{
	uint64_t pair[2] = { 0, 0 };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	do {
		if (fd < 0 || read(fd, pair, sizeof(pair)) != sizeof(pair))
			die("cannot read %s: %s", path, strerror(errno));
	} while (pair[0] != AT_ENTRY);
	close(fd);
	return pair[1] - image->entry;
}

void tracee_watch(struct tracee *tracee, pid_t pid, enum stage stage)
{
	char path[64];

	memset(tracee, 0, sizeof(*tracee));
	tracee->pid = pid;
	tracee->stage = stage;
	tracee->state = DMU_STATE_START;
	tracee->event = DMU_EVENT_END;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	tracee->mem = open(path, O_RDWR | O_CLOEXEC);
	if (tracee->mem < 0)
		die("cannot open %s: %s", path, strerror(errno));
	tracee->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (tracee->pidfd < 0)
		die("cannot open a pidfd of %d: %s", pid, strerror(errno));
	tracee->base = load_address(pid, &images[stage]);
}

void tracee_inherit(struct tracee *tracee, const struct tracee *of, pid_t child)
{
	tracee_watch(tracee, child, of->stage);
	memcpy(tracee->breakpoints, of->breakpoints, sizeof(tracee->breakpoints));
	tracee->breakpoint_count = of->breakpoint_count;
	tracee->threads[tracee->thread_count++] = child;
}

void tracee_forget(struct tracee *tracee)
{
	if (tracee->pid) {
		close(tracee->mem);
		close(tracee->pidfd);
	}
	tracee->pid = 0;
}

static void tracee_poke(const struct tracee *tracee, uint64_t at, const void *bytes, size_t len)
{
	if (pwrite(tracee->mem, bytes, len, (off_t)at) != (ssize_t)len)
		die("cannot write to the memory of %d: %s", tracee->pid, strerror(errno));
}

static void tracee_break(struct tracee *tracee, const char *function)
{
	struct breakpoint *breakpoint = &tracee->breakpoints[tracee->breakpoint_count];
	uint8_t bytes[4];

	if (tracee->breakpoint_count == BREAKPOINTS_MAX)
		die("too many breakpoints");
	breakpoint->function = function;
	breakpoint->at = tracee->base + image_symbol(&images[tracee->stage], function);
	if (pread(tracee->mem, bytes, sizeof(bytes), (off_t)breakpoint->at) != sizeof(bytes) ||
	    memcmp(bytes, endbr64, sizeof(bytes)))
		die("%s does not begin with endbr64", function);
	breakpoint->byte = bytes[0];
	tracee_poke(tracee, breakpoint->at, "\xcc", 1);
	tracee->breakpoint_count++;
}

static void tracee_break_list(struct tracee *tracee, const struct dmu_step *steps)
{
	for (; steps->run; steps++)
		tracee_break(tracee, steps->name);
}

void tracee_arm(struct tracee *tracee, bool io)
{
	size_t i;

	if (io) {
		for (i = 0; i < sizeof(io_functions) / sizeof(io_functions[0]); i++)
			tracee_break(tracee, io_functions[i]);
		return;
	}
	tracee_break(tracee, "dmu_transition");
	tracee_break(tracee, "dmu_daemon_act");
	for (i = 0; i < sizeof(start_functions) / sizeof(start_functions[0]); i++)
		tracee_break(tracee, start_functions[i]);
	tracee_break_list(tracee, dmu_start_steps);
	tracee_break_list(tracee, dmu_attach_steps);
	tracee_break_list(tracee, dmu_prepare_steps);
	for (i = 0; images[tracee->stage].state_functions[i]; i++)
		tracee_break(tracee, images[tracee->stage].state_functions[i]);
}

bool tracee_disarm(struct tracee *tracee)
{
	for (unsigned int i = 0; i < tracee->breakpoint_count; i++)
		if (pwrite(tracee->mem, &tracee->breakpoints[i].byte, 1,
			   (off_t)tracee->breakpoints[i].at) != 1)
			return false;
	return true;
}

/*
 * Wait for a stop of @thread. False: the process was killed; waitpid() does not report its main
 * thread before the others are reaped.
 */
static bool wait_stop(const struct tracee *tracee, pid_t thread)
{
	int status;
	pid_t got;

	while (!(got = waitpid(thread, &status, __WALL | WNOHANG))) {
		if (!proc_lives(tracee->pid))
			return false;
		nap();
	}
	return got == thread && WIFSTOPPED(status);
}

void tracee_seize(struct tracee *tracee, bool all)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", tracee->pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		pid_t thread = atoi(entry->d_name);

		if (thread <= 0 || (!all && thread != tracee->pid))
			continue;
		if (tracee->thread_count == THREADS_MAX ||
		    ptrace(PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD))
			die("cannot trace %d: %s", thread, strerror(errno));
		tracee->threads[tracee->thread_count++] = thread;
	}
	if (dir)
		closedir(dir);
}

bool tracee_owns(const struct tracee *tracee, pid_t thread)
{
	for (unsigned int i = 0; i < tracee->thread_count; i++)
		if (tracee->threads[i] == thread)
			return true;
	return false;
}

static uint64_t reg(pid_t thread, size_t offset)
{
	return (uint64_t)ptrace(PTRACE_PEEKUSER, thread, offset, 0);
}

#define REG(thread, name)	reg(thread, offsetof(struct user, regs.name))

static const struct breakpoint *tracee_hit(const struct tracee *tracee, pid_t thread)
{
	uint64_t ip = REG(thread, rip);

	for (unsigned int i = 0; i < tracee->breakpoint_count; i++)
		if (tracee->breakpoints[i].at + 1 == ip)
			return &tracee->breakpoints[i];
	return NULL;
}

static void go_behind(const struct breakpoint *breakpoint, pid_t thread)
{
	ptrace(PTRACE_POKEUSER, thread, offsetof(struct user, regs.rip),
	       breakpoint->at + sizeof(endbr64));
}

/* Note the point, as the function's arguments tell it. */
static void tracee_tell(struct tracee *tracee, const struct breakpoint *breakpoint, pid_t thread)
{
	struct point *at = &tracee->at;

	memset(at, 0, sizeof(*at));
	at->function = breakpoint->function;
	if (!strcmp(breakpoint->function, "dmu_transition")) {
		at->kind = POINT_EVENT;
		/* The result does not fit in registers: the first argument, rdi, points to it. */
		tracee->state = (enum dmu_state)REG(thread, rsi);
		tracee->event = (enum dmu_event)REG(thread, rdx);
	} else if (!strcmp(breakpoint->function, "dmu_daemon_act")) {
		at->kind = POINT_ACTION;
		at->place.action = (enum dmu_action)REG(thread, rsi);
	} else {
		at->kind = POINT_STEP;
		at->payload = !strcmp(at->function, "channel_read") &&
			      REG(thread, rdx) != sizeof(struct dm_user_message);
	}
	at->place.state = tracee->state;
	at->place.event = tracee->event;
	if (at->kind == POINT_STEP)
		snprintf(at->name, sizeof(at->name), "%s%s", at->function,
			 at->payload ? " (payload)" : "");
	else
		snprintf(at->name, sizeof(at->name), "%s, %s%s%s", dmu_state_name(at->place.state),
			 dmu_event_name(at->place.event), at->kind == POINT_ACTION ? ": " : "",
			 at->kind == POINT_ACTION ? dmu_action_name(at->place.action) : "");
}

bool tracee_stopped(struct tracee *tracee, pid_t thread, int status)
{
	const struct breakpoint *breakpoint;
	int signal;

	if (!WIFSTOPPED(status)) {
		if (thread == tracee->pid)
			tracee->dead = true;
		return false;
	}
	signal = WSTOPSIG(status);
	breakpoint = signal == SIGTRAP ? tracee_hit(tracee, thread) : NULL;
	if (breakpoint && !tracee->held) {
		tracee_tell(tracee, breakpoint, thread);
		tracee->held = thread;
		return true;
	}
	if (breakpoint)
		go_behind(breakpoint, thread);
	/* A child that is traced from its birth begins with SIGSTOP; SIGTRAP is of the tracing. */
	if (signal == SIGTRAP || signal == SIGSTOP || status >> 16)
		signal = 0;
	ptrace(PTRACE_CONT, thread, 0, signal);
	return false;
}

void tracee_step_off(struct tracee *tracee)
{
	const struct breakpoint *breakpoint = tracee_hit(tracee, tracee->held);

	if (breakpoint)
		go_behind(breakpoint, tracee->held);
}

void tracee_continue(struct tracee *tracee)
{
	pid_t thread = tracee->held;

	tracee_step_off(tracee);
	tracee->held = 0;
	ptrace(PTRACE_CONT, thread, 0, 0);
}

static void tracee_bury_one(struct tracee *tracee, pid_t thread)
{
	int status;

	while (waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, thread, 0, 0);
	if (thread == tracee->pid)
		tracee->dead = true;
}

/* Reap a dead tracee: its parent does not hear of its death before the tracer has. */
static void tracee_bury(struct tracee *tracee)
{
	/* waitpid() reports the main thread last. */
	for (unsigned int i = tracee->thread_count; i-- > 0;)
		tracee_bury_one(tracee, tracee->threads[i]);
	tracee->dead = true;
}

/* False: the daemon has been killed meanwhile. */
static bool tracee_stop_all(struct tracee *tracee)
{
	for (unsigned int i = 0; i < tracee->thread_count; i++) {
		pid_t thread = tracee->threads[i];

		if (thread == tracee->held)
			continue;
		/* EIO: it is traced from its birth, not by PTRACE_SEIZE. */
		if (ptrace(PTRACE_INTERRUPT, thread, 0, 0) && errno == EIO)
			syscall(SYS_tgkill, tracee->pid, thread, SIGSTOP);
		if (!wait_stop(tracee, thread))
			return false;
	}
	return true;
}

void tracee_release(struct tracee *tracee, int signal)
{
	const struct breakpoint *breakpoint;

	if (tracee->dead)
		goto out;
	if (signal == SIGKILL)
		kill(tracee->pid, signal);
	if (signal == SIGKILL || !tracee_disarm(tracee) || !tracee_stop_all(tracee)) {
		tracee_bury(tracee);
		goto out;
	}
	if (signal)
		kill(tracee->pid, signal);
	for (unsigned int i = 0; i < tracee->thread_count; i++) {
		breakpoint = tracee_hit(tracee, tracee->threads[i]);
		if (breakpoint)
			go_behind(breakpoint, tracee->threads[i]);
		/* ESRCH: it is killed, and not reaped. */
		if (ptrace(PTRACE_DETACH, tracee->threads[i], 0, 0))
			tracee_bury_one(tracee, tracee->threads[i]);
	}
out:
	tracee->breakpoint_count = 0;
	tracee->thread_count = 0;
	tracee->held = 0;
}

bool tracee_read(const struct tracee *tracee, struct dmu_context *daemon)
{
	uint64_t at = tracee->base + images[tracee->stage].daemon;

	return pread(tracee->mem, daemon, sizeof(*daemon), (off_t)at) == sizeof(*daemon);
}

int tracee_fd(const struct tracee *tracee, int fd)
{
	return fd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, tracee->pidfd, fd, 0);
}

bool point_same(const struct point *a, const struct point *b)
{
	return a->kind == b->kind && !strcmp(a->name, b->name);
}
