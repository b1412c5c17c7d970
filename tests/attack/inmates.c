// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes: the attacker, its victims and its accomplices. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/attack/attack.h"
#include "tests/attack/driver.h"

static bool link_of(char *text, size_t len, const char *format, pid_t pid, const char *name)
{
	char path[300];
	ssize_t n;

	snprintf(path, sizeof(path), format, pid, name);
	n = readlink(path, text, len - 1);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool is_daemon(pid_t pid)
{
	char exe[256];

	return link_of(exe, sizeof(exe), "/proc/%d/%s", pid, "exe") &&
	       !strncmp(exe, ATTACK_RUN "/dmuser-second.", strlen(ATTACK_RUN "/dmuser-second."));
}

static bool is_first(pid_t pid)
{
	char exe[256];

	return link_of(exe, sizeof(exe), "/proc/%d/%s", pid, "exe") &&
	       strstr(exe, "/dmuser-first");
}

static pid_t find(bool (*is)(pid_t pid))
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	pid_t pid = 0;

	if (!dir)
		attack_die("list /proc");
	while (!pid && (entry = readdir(dir)))
		if (entry->d_name[0] > '0' && entry->d_name[0] <= '9' &&
		    is(atoi(entry->d_name)))
			pid = atoi(entry->d_name);
	closedir(dir);
	return pid;
}

pid_t attack_daemon_find(void)
{
	return find(is_daemon);
}

pid_t attack_first_find(void)
{
	return find(is_first);
}

/* The process to which the pidfd @fd of @daemon refers; -1: that process is dead. */
static long pidfd_of(pid_t daemon, int fd)
{
	char path[64], line[128];
	long pid = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", daemon, fd);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Pid: %ld", &pid) == 1)
			break;
	if (file)
		fclose(file);
	return pid;
}

static void descriptor_is(pid_t daemon, int fd, const char *link, int64_t *values)
{
	if (!strncmp(link, "/dev/vd", 7) || !strncmp(link, "/dev/block", 10))
		values[ATTACK_STORE] = fd;
	else if (!strcmp(link, "/dev/kmsg"))
		values[ATTACK_KMSG] = fd;
	else if (strstr(link, "dm-user"))
		values[ATTACK_CHANNEL] = fd;
	else if (!strncmp(link, "socket:", 7))
		values[ATTACK_LISTENER] = fd;
	else if (strstr(link, "[eventfd]"))
		values[ATTACK_EVENT] = fd;
	else if (strstr(link, "[pidfd]") && pidfd_of(daemon, fd) == daemon)
		values[ATTACK_SELF_PIDFD] = fd;
	else if (strstr(link, "[pidfd]") || (fd > 2 && !strcmp(link, "/dev/null")))
		values[ATTACK_PEER_PIDFD] = fd;
}

void attack_daemon_descriptors(pid_t daemon, int64_t *values)
{
	char number[16], link[256];
	int fd;

	for (fd = ATTACK_STORE; fd <= ATTACK_EVENT; fd++)
		values[fd] = -1;
	for (fd = 0; fd < 256; fd++) {
		snprintf(number, sizeof(number), "%d", fd);
		if (link_of(link, sizeof(link), "/proc/%d/fd/%s", daemon, number))
			descriptor_is(daemon, fd, link, values);
	}
	for (fd = ATTACK_STORE; fd <= ATTACK_EVENT; fd++) {
		if (values[fd] >= 0)
			continue;
		errno = fd;
		attack_die("find all descriptors of the attacker");
	}
}

static pid_t child_of(const char *name)
{
	pid_t pid = fork();

	if (pid < 0)
		attack_die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, name);
	return 0;
}

pid_t attack_victim(void)
{
	pid_t pid = child_of("victim");

	while (!pid)
		pause();
	return pid;
}

static volatile sig_atomic_t called_off;

static void call_off(int signal)
{
	called_off = 1;
}

/* Exits with status 1 if a user's connection succeeded. */
_Noreturn static void call(bool root)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	struct sockaddr_un name = { .sun_family = AF_UNIX,
				    .sun_path = ATTACK_RUN "/handover.sock" };
	bool in = false;
	int fd;

	if (!root && (setgid(1000) || setuid(1000)))
		_exit(2);
	while (!called_off) {
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (!connect(fd, (struct sockaddr *)&name, sizeof(name)))
			in = true;
		nanosleep(&pause, NULL);
		close(fd);
	}
	_exit(in && !root);
}

pid_t attack_caller(bool root)
{
	pid_t pid;

	signal(SIGTERM, call_off);
	pid = child_of("caller");
	if (!pid)
		call(root);
	signal(SIGTERM, SIG_DFL);
	return pid;
}

bool attack_caller_end(pid_t caller)
{
	int status = 0;

	kill(caller, SIGTERM);
	while (waitpid(caller, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}
