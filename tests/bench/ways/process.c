// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes, without fork(): the load's threads must not stop for a copy of the page tables. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/ways/ways.h"

pid_t process_start(char *const argv[], int in, int out)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	if (in >= 0)
		posix_spawn_file_actions_adddup2(&actions, in, 0);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&actions, out, 3);
	/* The report is standard output: the output of programs goes to standard error. */
	posix_spawn_file_actions_adddup2(&actions, 2, 1);
	NEED(!posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ), "start %s", argv[0]);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

int process_end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		NEED(errno == EINTR, "wait for a child");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int process_run(char *const argv[])
{
	return process_end(process_start(argv, -1, -1));
}

void process_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	process_end(pid);
}

static bool process_is(const char *pid, const char *comm)
{
	char path[300], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return !strncmp(name, comm, strlen(comm));
}

pid_t process_find(const char *comm)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	NEED(proc, "/proc");
	while (!found && (entry = readdir(proc)))
		if (atoi(entry->d_name) > 0 && process_is(entry->d_name, comm))
			found = atoi(entry->d_name);
	closedir(proc);
	return found;
}

void process_kill_other(pid_t pid)
{
	if (pid > 0)
		kill(pid, SIGKILL);
}

void process_ready(int fd)
{
	NEED(write(fd, "", 1) == 1, "say that it is ready");
}

void process_await(int fd)
{
	char byte;

	NEED(read(fd, &byte, 1) == 1, "a server that is ready");
}
