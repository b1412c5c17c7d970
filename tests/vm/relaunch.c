// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * relaunch [-w MS] PID PROGRAM [ARG]...: kill the daemon PID, leave its device without a daemon for
 * MS milliseconds, and start PROGRAM in its place. Exit status: PROGRAM's.
 *
 * A shell cannot do that when the device is swap: the shell's memory may be there. A program that
 * restarts such a daemon must be locked in memory, spared by the OOM killer, never wait for I/O in
 * reclaim, and be real-time. The latter gives it, and the daemon, a part of vm.min_free_kbytes when
 * all other memory is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int reside(void)
{
	const struct sched_param priority = { .sched_priority = 1 };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "-1000", 5) != 5)
		return -1;
	close(fd);
	if (sched_setscheduler(0, SCHED_FIFO, &priority))
		return -1;
	return prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) || mlockall(MCL_CURRENT | MCL_FUTURE) ? -1 : 0;
}

/* Kill the daemon, and wait until it is dead and its channels are closed. */
static int kill_daemon(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd death = { .fd = fd, .events = POLLIN };

	if (fd < 0 || kill(pid, SIGKILL))
		return -1;
	while (poll(&death, 1, -1) != 1)
		;
	close(fd);
	return 0;
}

static int launch(char **command)
{
	int status = 0;
	pid_t pid;

	pid = fork();
	if (!pid) {
		execv(command[0], command);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid < 0 || !WIFEXITED(status) ? 126 : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	int option, wait_ms = 0;

	while ((option = getopt(argc, argv, "+w:")) != -1) {
		if (option != 'w')
			return 2;
		wait_ms = atoi(optarg);
	}
	if (argc - optind < 2) {
		fprintf(stderr, "usage: relaunch [-w MS] PID PROGRAM [ARG]...\n");
		return 2;
	}
	if (reside() || kill_daemon(atoi(argv[optind]))) {
		fprintf(stderr, "relaunch: %s\n", strerror(errno));
		return 1;
	}
	poll(NULL, 0, wait_ms);
	return launch(argv + optind + 1);
}
