// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/launch.h"

/* The child may write the first. It ends with the second, or with one line for a failure. */
#define DMU_LAUNCH_ENTRUSTS	'\f'
#define DMU_LAUNCH_SERVES	"\n"
#define DMU_LAUNCH_PAUSE_MS	1

/* Read all that the child writes, until it closes the pipe or dies. */
static void dmu_launch_listen(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t len;

	while (used < size - 1) {
		len = read(fd, text + used, size - 1 - used);
		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			break;
		used += (size_t)len;
	}
	text[used] = '\0';
}

/* Wait for the death of a child that failed: when this returns, nothing of the child is left. */
static int dmu_launch_wait(struct dmu_launch *launch, pid_t child, int fd, const char *program)
{
	char text[1024];
	const char *said = text;

	dmu_launch_listen(fd, text, sizeof(text));
	launch->entrusted = *said == DMU_LAUNCH_ENTRUSTS;
	said += launch->entrusted;
	if (!strcmp(said, DMU_LAUNCH_SERVES))
		return DMU_EXIT_DONE;
	fprintf(stderr, "%s: %s\n", program,
		*said ? said : "the daemon died while it started (see the kernel log)");
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return DMU_EXIT_FAILED;
}

static bool dmu_launch_again(int error)
{
	if (error == ENOMEM)
		poll(NULL, 0, DMU_LAUNCH_PAUSE_MS);
	return error == ENOMEM || error == EINTR;
}

/* In the child: die with @parent, which may be dead already. Outside our pid namespace it is 0. */
static void dmu_launch_depend(pid_t parent)
{
	pid_t now;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return;
	now = getppid();
	if (now && now != parent)
		_exit(DMU_EXIT_FAILED);
}

/* #syscalls main: prctl */
void dmu_launch_commit(void)
{
	while (prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) && dmu_launch_again(errno))
		;
}

int dmu_launch_detach(struct dmu_launch *launch, const char *program)
{
	pid_t parent = getpid();
	int fds[2];
	pid_t pid;

	launch->fd = -1;
	if (parent == 1) {
		fprintf(stderr,
			"%s: is the first process of a PID namespace, all of which ends with it\n",
			program);
		return DMU_EXIT_FAILED;
	}
	if (pipe2(fds, O_CLOEXEC)) {
		fprintf(stderr, "%s: cannot make a pipe: %s\n", program, strerror(errno));
		return DMU_EXIT_FAILED;
	}
	pid = fork();
	if (pid < 0) {
		fprintf(stderr, "%s: cannot fork: %s\n", program, strerror(errno));
		return DMU_EXIT_FAILED;
	}
	if (pid) {
		close(fds[1]);
		return dmu_launch_wait(launch, pid, fds[0], program);
	}
	close(fds[0]);
	if (launch->depends)
		dmu_launch_depend(parent);
	/* setsid() cannot fail: a new child leads no process group. */
	setsid();
	launch->fd = fds[1];
	return -1;
}

/*
 * False: the parent is gone. A waiting parent takes silence for death, and then waits for that, so
 * retry transient errors.
 *
 * #syscalls main: write
 */
static bool dmu_launch_write(const struct dmu_launch *launch, const char *text, size_t size)
{
	ssize_t len;

	do {
		len = write(launch->fd, text, size);
	} while (len < 0 && dmu_launch_again(errno));
	return len > 0;
}

/* #syscalls main: close */
static void dmu_launch_say(struct dmu_launch *launch, const char *text)
{
	if (launch->fd < 0)
		return;
	dmu_launch_write(launch, text, strlen(text));
	close(launch->fd);
	launch->fd = -1;
}

void dmu_launch_entrust(struct dmu_launch *launch)
{
	const char mark = DMU_LAUNCH_ENTRUSTS;

	launch->entrusted = launch->fd >= 0 && dmu_launch_write(launch, &mark, sizeof(mark));
}

void dmu_launch_succeed(struct dmu_launch *launch)
{
	dmu_launch_say(launch, DMU_LAUNCH_SERVES);
}

void dmu_launch_fail(struct dmu_launch *launch, const char *reason)
{
	/* The child may have something to undo, and the parent may be gone. */
	dmu_launch_commit();
	dmu_launch_say(launch, reason);
}
