// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * supervise OUTPUT STATUS COMMAND [ARG...]: the guest's process 1 while a test runs. Copies what COMMAND
 * prints to the virtio port OUTPUT, writes "started" and then "status N" to the port STATUS, and switches
 * the machine off. N is the exit status as a shell gives it. Whatever COMMAND leaves running is not waited
 * for: a daemon may not be able to end, and a stuck device must not keep the answer back.
 *
 * A pipe lies between COMMAND and the port because a port can be open only once, and so could not be
 * opened again as /dev/stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYNC_MS		10000		/* for the last sync: it hangs if a device has no daemon */
#define TAIL_MAX	(1 << 20)	/* bytes that may still come from what COMMAND left running */

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

/* Copy what is in the pipe now, at most @max bytes. The count; 0 if there was nothing. */
static size_t pipe_copy(int from, int to, size_t max)
{
	char buf[4096];
	size_t total = 0;

	while (total < max) {
		ssize_t got = read(from, buf, sizeof(buf));

		if (got <= 0 || port_write(to, buf, got))
			break;
		total += got;
	}
	return total;
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

/* Reap every child that ended. True if @pid was among them; its status as a shell gives it. */
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

/* Write back what file systems hold, unless that hangs. */
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

/* Until COMMAND has ended. Its status. */
static int command_wait(pid_t pid, int from, int to, int sigchld)
{
	struct pollfd fds[] = { { .fd = from, .events = POLLIN }, { .fd = sigchld, .events = POLLIN } };
	struct signalfd_siginfo info;
	int status;

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			pipe_copy(from, to, TAIL_MAX);
		if (fds[1].revents && read(sigchld, &info, sizeof(info)) > 0 && children_reap(pid, &status))
			return status;
	}
}

int main(int argc, char **argv)
{
	int output, status_port, sigchld, pipe_fds[2], status;
	char line[32];
	sigset_t mask;
	pid_t pid;

	if (argc < 4) {
		fprintf(stderr, "usage: supervise OUTPUT STATUS COMMAND [ARG...]\n");
		return 2;
	}
	output = open(argv[1], O_WRONLY | O_CLOEXEC);
	status_port = open(argv[2], O_WRONLY | O_CLOEXEC);
	if (output < 0 || status_port < 0 || pipe2(pipe_fds, O_CLOEXEC)) {
		perror("supervise");
		return 1;
	}
	/* Only our end: COMMAND's end must block as usual. */
	fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	sigchld = signalfd(-1, &mask, SFD_CLOEXEC);

	port_write(status_port, "started\n", strlen("started\n"));
	pid = command_start(argv + 3, pipe_fds[1], &mask);
	if (pid < 0) {
		perror("supervise: fork");
		return 1;
	}
	/* We keep the writing end: the reading one never sees an end of file, nor spins on it. */
	status = command_wait(pid, pipe_fds[0], output, sigchld);
	pipe_copy(pipe_fds[0], output, TAIL_MAX);
	sync_briefly(sigchld);
	snprintf(line, sizeof(line), "status %d\n", status);
	port_write(status_port, line, strlen(line));
	reboot(RB_POWER_OFF);
	return 1;
}
