// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/soak/soak.h"

#define PIDS_NEVER_AGAIN	300	/* RESERVED_PIDS: lower pids are given out once only */

/* Read a small file of /proc as text. Returns its length; 0: it cannot be read. */
static size_t slurp(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = 0;

	if (fd >= 0) {
		len = read(fd, text, size - 1);
		close(fd);
	}
	len = len < 0 ? 0 : len;
	text[len] = '\0';
	return (size_t)len;
}

/* False: there is no such process, or it is dead. */
static bool stat_of(pid_t pid, char name[32], pid_t *parent)
{
	char path[32], text[512], state;
	const char *begin, *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!slurp(path, text, sizeof(text)))
		return false;
	begin = strchr(text, '(');
	end = strrchr(text, ')');
	if (!begin || !end || sscanf(end, ") %c %d", &state, parent) != 2)
		return false;
	snprintf(name, 32, "%.*s", (int)(end - begin - 1), begin + 1);
	return state != 'Z' && state != 'X';
}

bool soak_alive(pid_t pid)
{
	char name[32];
	pid_t parent;

	return stat_of(pid, name, &parent);
}

/* Is the word behind "--" of its command line the device's name? */
static bool is_of(pid_t pid, const char *device)
{
	char path[32], text[1024];
	size_t len, at;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	len = slurp(path, text, sizeof(text));
	for (at = 0; at < len; at += strlen(text + at) + 1)
		if (!strcmp(text + at, "--"))
			return at + 3 < len && !strcmp(text + at + 3, device);
	return false;
}

unsigned int soak_daemons(const char *name, pid_t younger, struct soak_daemon *daemons,
			  unsigned int max)
{
	struct soak_daemon found;
	unsigned int count = 0;
	struct dirent *entry;
	char comm[32];
	DIR *dir = opendir("/proc");

	if (!dir)
		soak_fail("/proc: %s", strerror(errno));
	while ((entry = readdir(dir))) {
		if (!isdigit(entry->d_name[0]))
			continue;
		found.pid = atoi(entry->d_name);
		if (found.pid < younger && younger < PIDS_NEVER_AGAIN)
			continue;
		/* Not dmuserctl. Its copy of a daemon is named dmuser-second.N, cut to 15 bytes. */
		if (!stat_of(found.pid, comm, &found.parent))
			continue;
		found.serves = !strncmp(comm, "dmuser-", 7) && is_of(found.pid, name);
		if (!found.serves && found.parent != getpid())
			continue;
		if (count < max)
			daemons[count] = found;
		count++;
	}
	closedir(dir);
	return count;
}

/* Count descriptors by kind. Numbers that differ between daemons, as of inodes, are left out. */
static size_t count_descriptors(pid_t pid, char *text, size_t size)
{
	struct {
		char what[40];
		unsigned int count;
	} kinds[24] = { 0 };
	unsigned int i, known = 0;
	char path[300], link[128];
	struct dirent *entry;
	size_t used = 0;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, entry->d_name);
		len = readlink(path, link, sizeof(link) - 1);
		if (len < 0)
			continue;
		link[len] = '\0';
		if (!strncmp(link, "socket:", 7) || !strncmp(link, "pipe:", 5))
			*strchr(link, ':') = '\0';
		/* A channel that was handed over counts like one that was opened. */
		if (!strncmp(link, "/dev/dm-user/", 13) || strstr(link, "[dm-user]"))
			strcpy(link, "channel");
		for (i = 0; i < known &&
			    strncmp(kinds[i].what, link, sizeof(kinds[i].what) - 1); i++)
			;
		if (i == sizeof(kinds) / sizeof(kinds[0]))
			continue;
		if (i == known)
			snprintf(kinds[known++].what, sizeof(kinds[0].what), "%s", link);
		kinds[i].count++;
	}
	if (dir)
		closedir(dir);
	/* In the order of names, whatever the numbers of the descriptors. */
	for (;;) {
		unsigned int least = known;

		for (i = 0; i < known; i++)
			if (kinds[i].count &&
			    (least == known || strcmp(kinds[i].what, kinds[least].what) < 0))
				least = i;
		if (least == known || used >= size)
			break;
		used += snprintf(text + used, size - used, "%s*%u ", kinds[least].what,
				 kinds[least].count);
		kinds[least].count = 0;
	}
	return used < size ? used : size;
}

void soak_possessions(pid_t pid, char *text, size_t len)
{
	unsigned long locked = 0, threads = 0;
	char path[32], status[4096];
	const char *at;
	size_t used;

	text[0] = '\0';
	used = count_descriptors(pid, text, len);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	slurp(path, status, sizeof(status));
	at = strstr(status, "\nVmLck:");
	if (at)
		locked = strtoul(at + 7, NULL, 10);
	at = strstr(status, "\nThreads:");
	if (at)
		threads = strtoul(at + 9, NULL, 10);
	snprintf(text + used, len - used, "locked=%lu threads=%lu", locked, threads);
}

pid_t soak_start(char *const argv[], const char *output)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid;
	int err;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_addopen(&files, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_adddup2(&files, 1, 2);
	err = posix_spawnp(&pid, argv[0], &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	if (err)
		soak_fail("%s: %s", argv[0], strerror(err));
	return pid;
}
