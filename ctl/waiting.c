// SPDX-License-Identifier: GPL-2.0-or-later
/* Report which daemon a command waits for, and whether that daemon waits for its store. */
#include <dirent.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/device.h"
#include "ctl/output.h"
#include "ctl/waiting.h"
#include "rundir/listener.h"

#define LOOKS	4
#define LOOK_MS	150

/* Read the state and the parent of a thread from its stat file. false: the thread is gone. */
static bool stat_read(const char *path, char *state, int *parent)
{
	char line[512], *end;
	FILE *file = fopen(path, "re");
	bool some;

	if (!file)
		return false;
	some = fgets(line, sizeof(line), file);
	fclose(file);
	/* The fields follow the name, which may contain anything. */
	end = some ? strrchr(line, ')') : NULL;
	return end && sscanf(end + 1, " %c %d", state, parent) == 2;
}

/* true: the thread is in uninterruptible sleep each time that it is looked at. */
static bool stays(const char *path)
{
	unsigned int i;
	char state;
	int parent;

	for (i = 0; i < LOOKS; i++) {
		if (i)
			poll(NULL, 0, LOOK_MS);
		if (!stat_read(path, &state, &parent) || state != 'D')
			return false;
	}
	return true;
}

static bool hangs(pid_t pid)
{
	char path[64 + NAME_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)pid, entry->d_name);
		found = entry->d_name[0] != '.' && stays(path);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The daemon that @pid has started and waits for; or @pid itself. */
static pid_t started_by(pid_t pid)
{
	char path[16 + NAME_MAX], state;
	struct dirent *entry;
	pid_t child = pid;
	int parent;
	DIR *dir = opendir("/proc");

	while (dir && child == pid && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    stat_read(path, &state, &parent) && parent == pid)
			child = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	return child;
}

/* The generation @previous, if it drains and still holds requests; or NULL. */
static const struct dmu_target_generation *drains(const struct dmu_target_status *status,
						  uint64_t previous)
{
	unsigned int i;

	for (i = 0; i < status->generation_count; i++)
		if (status->generations[i].number == previous && status->generations[i].held &&
		    !strcmp(status->generations[i].state, "draining"))
			return &status->generations[i];
	return NULL;
}

void ctl_waiting_say(void *arg, pid_t pid, unsigned int seconds)
{
	const struct ctl_waiting *waiting = arg;
	const char *name = waiting->args->name;
	const struct dmu_target_generation *old = NULL;
	struct ctl_device device;
	pid_t daemon;

	if (!ctl_dm_device(name, &device))
		old = drains(&device.kstatus, waiting->previous);
	daemon = old ? dmu_listener_pid(waiting->args->run_dir, name) : started_by(pid);
	if (old)
		ctl_error("%s: after %u s still waiting for generation %" PRIu64
			  " (pid %d), which has %" PRIu64 " requests to answer%s", name, seconds,
			  old->number, (int)daemon, old->held,
			  daemon > 0 && hangs(daemon) ? ": its store does not answer" : "");
	else
		ctl_error("%s: after %u s still waiting for the new daemon (pid %d)%s", name,
			  seconds, (int)daemon,
			  hangs(daemon) ? ": its store does not answer" : "");
}
