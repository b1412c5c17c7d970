// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/vm/guest/guest.h"

#define SYNC_MS		10000		/* for the last sync: it hangs if a device has no daemon */
#define TAIL_MAX	(1 << 20)	/* bytes of output copied at once: it may never cease */
#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define LEAK_AGE_S	6
#define RECORD_MAX	8192		/* of /dev/kmsg */

static int port_write(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t done = write(fd, buf, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		buf += done;
		len -= done;
	}
	return 0;
}

/* Copy the present content of the pipe, at most @max bytes. */
static void pipe_copy(int from, int to, size_t max)
{
	char buf[4096];
	size_t total = 0;

	while (total < max) {
		ssize_t got = read(from, buf, sizeof(buf));

		if (got <= 0 || port_write(to, buf, got))
			break;
		total += got;
	}
}

/*
 * Copy the kernel's records: "PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,...];TEXT\n", then lines that
 * begin with a space (Documentation/ABI/testing/dev-kmsg).
 */
static void kmsg_copy(int from, int to)
{
	char record[RECORD_MAX], line[RECORD_MAX + 64];
	unsigned long long usec;
	ssize_t got;

	for (;;) {
		got = read(from, record, sizeof(record) - 1);
		/* EPIPE: older records were overwritten; the next read goes on after them. */
		if (got < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (got <= 0)
			return;
		record[got] = '\0';

		char *text = strchr(record, ';');

		if (!text || sscanf(record, "%*u,%*u,%llu", &usec) != 1)
			continue;
		text++;
		text[strcspn(text, "\n")] = '\0';
		snprintf(line, sizeof(line), "[%5llu.%06llu] %s\n", usec / 1000000,
			 usec % 1000000, text);
		port_write(to, line, strlen(line));
	}
}

static pid_t command_start(char **argv, int out, const sigset_t *mask)
{
	pid_t pid = fork();

	if (pid)
		return pid;

	int null = open("/dev/null", O_RDONLY);

	setsid();
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	sigprocmask(SIG_UNBLOCK, mask, NULL);
	execv(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

/* Reap every child that ended. True: @pid was one of them, with *@status as a shell gives it. */
static bool children_reap(pid_t pid, int *status)
{
	bool found = false;
	int how;

	for (;;) {
		pid_t child = waitpid(-1, &how, WNOHANG);

		if (child <= 0)
			return found;
		if (child != pid)
			continue;
		found = true;
		*status = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
	}
}

/* Sync all file systems, unless that hangs. */
static void sync_briefly(int sigchld)
{
	struct pollfd fd = { .fd = sigchld, .events = POLLIN };
	struct signalfd_siginfo info;
	pid_t pid = fork();
	int status;

	if (!pid) {
		sync();
		_exit(0);
	}
	while (poll(&fd, 1, SYNC_MS) > 0) {
		if (read(sigchld, &info, sizeof(info)) > 0 && children_reap(pid, &status))
			return;
	}
}

/*
 * Copy the leaks that kmemleak finds, if the kernel has it. It ignores memory younger than 5 s, and
 * reports memory that two scans in a row found unchanged and without a pointer to it.
 */
static void leaks_copy(int to)
{
	int fd = open(KMEMLEAK, O_RDWR | O_CLOEXEC);
	char buf[4096];
	ssize_t got;

	if (fd < 0)
		return;
	port_write(fd, "scan", strlen("scan"));
	sleep(LEAK_AGE_S);
	port_write(fd, "scan", strlen("scan"));
	while ((got = read(fd, buf, sizeof(buf))) > 0)
		port_write(to, buf, got);
	close(fd);
}

void guest_supervise(const struct guest_ports *ports, char **argv)
{
	int pipe_fds[2], status = 125;
	char line[32];
	sigset_t mask;

	/*
	 * A pipe lies between the script and the port: a port can be open only once, and the script
	 * may open /dev/stdout again. This process keeps the writing end, too, so that the reading
	 * end never sees an end of file. Only the reading end does not block.
	 */
	if (pipe2(pipe_fds, O_CLOEXEC))
		return;
	fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);

	struct pollfd fds[] = {
		{ .fd = pipe_fds[0], .events = POLLIN },
		{ .fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC), .events = POLLIN },
		{ .fd = signalfd(-1, &mask, SFD_CLOEXEC), .events = POLLIN },
	};
	struct signalfd_siginfo info;

	port_write(ports->status, "started\n", strlen("started\n"));
	pid_t pid = command_start(argv, pipe_fds[1], &mask);

	for (;;) {
		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[0].revents)
			pipe_copy(fds[0].fd, ports->output, TAIL_MAX);
		if (fds[1].revents)
			kmsg_copy(fds[1].fd, ports->kernel_log);
		if (fds[2].revents && read(fds[2].fd, &info, sizeof(info)) > 0 &&
		    children_reap(pid, &status))
			break;
	}
	pipe_copy(fds[0].fd, ports->output, TAIL_MAX);
	sync_briefly(fds[2].fd);
	leaks_copy(ports->kernel_log);
	kmsg_copy(fds[1].fd, ports->kernel_log);
	snprintf(line, sizeof(line), "status %d\n", status);
	port_write(ports->status, line, strlen(line));
}
