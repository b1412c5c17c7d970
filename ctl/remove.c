// SPDX-License-Identifier: GPL-2.0-or-later
/* dmuserctl remove: remove the device first; its daemon then finds its channels dead, and exits. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/device.h"
#include "ctl/leave.h"
#include "ctl/output.h"
#include "ctl/swap.h"
#include "lib/dmuser.h"
#include "rundir/clean.h"
#include "rundir/directory.h"

#define CLOSE_MS	1000	/* for the users of a device that now fails all I/O to close it */

/* A list to print: "mounted on /mnt, used by dm-3". */
struct users {
	char text[DMU_ERROR_MAX / 2];
	size_t used;
};

static void users_add(struct users *users, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void users_add(struct users *users, const char *format, ...)
{
	size_t room = sizeof(users->text) - users->used;
	va_list ap;
	int n;

	n = snprintf(users->text + users->used, room, "%s", users->used ? ", " : "");
	if (n < 0 || (size_t)n >= room)
		return;
	va_start(ap, format);
	n += vsnprintf(users->text + users->used + n, room - n, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		users->text[users->used] = '\0';	/* leave out a user that does not fit */
	else
		users->used += n;
}

/* Add where @pid, "self" or a number, has the device mounted. */
static void find_mounts(struct users *users, const struct ctl_device *device, const char *pid)
{
	char path[300], line[4096], where[1024];
	unsigned int major, minor;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/mountinfo", pid);
	file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*u %*u %u:%u %*s %1023s", &major, &minor, where) != 3 ||
		    major != device->major || minor != device->minor)
			continue;
		if (strcmp(pid, "self"))
			users_add(users, "mounted on %s for pid %s", where, pid);
		else
			users_add(users, "mounted on %s", where);
	}
	fclose(file);
}

/* The inode number of the mount namespace of @pid; 0: it is unknown. */
static ino_t mount_namespace(const char *pid)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/mnt", pid);
	return stat(path, &st) ? 0 : st.st_ino;
}

/* Add the block devices on top of the device: other DM tables, loops and the like. */
static void find_holders(struct users *users, const struct ctl_device *device)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", device->major, device->minor);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			users_add(users, "used by %s", entry->d_name);
	closedir(dir);
}

static bool process_has_open(const char *pid, dev_t number)
{
	char path[600];
	struct dirent *entry;
	struct stat st;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, entry->d_name);
		found = !stat(path, &st) && S_ISBLK(st.st_mode) && st.st_rdev == number;
	}
	closedir(dir);
	return found;
}

static void add_process(struct users *users, const char *pid)
{
	char path[300], command[32] = "?";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%31[^\n]", command) == 1)
		users_add(users, "open in %s (pid %s)", command, pid);
	if (file)
		fclose(file);
}

/* Add the processes that have the device open, or mounted in another mount namespace. */
static void find_processes(struct users *users, const struct ctl_device *device)
{
	ino_t ours = mount_namespace("self"), last = ours, namespace;
	struct dirent *entry;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		return;
	while ((entry = readdir(proc))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		if (process_has_open(entry->d_name, makedev(device->major, device->minor)))
			add_process(users, entry->d_name);
		namespace = mount_namespace(entry->d_name);
		if (namespace && namespace != ours && namespace != last)
			find_mounts(users, device, entry->d_name);
		last = namespace;
	}
	closedir(proc);
}

static void busy_error(const struct ctl_device *before, bool forced)
{
	struct ctl_device device = *before;
	struct users users = { 0 };

	find_mounts(&users, &device, "self");
	find_holders(&users, &device);
	find_processes(&users, &device);
	/* Update the open count; if that fails, the older count stays. */
	ctl_dm_device(before->name, &device);
	ctl_error("%s: cannot be removed, it is in use%s: open count %d%s%s", before->name,
		  forced ? " (all its I/O fails from now on)" : "", device.open_count,
		  users.used ? ": " : ", its user is unknown", users.text);
}

/* Processes whose I/O has just failed get a moment to close the device. */
static int remove_failed_device(const char *name)
{
	uint64_t deadline = dmu_now_ms() + CLOSE_MS;
	int ret;

	while ((ret = ctl_dm_remove(name)) == -EBUSY && dmu_now_ms() < deadline)
		poll(NULL, 0, CLOSE_MS / 20);
	return ret;
}

static int remove_device(const struct ctl_args *args, const struct ctl_device *device)
{
	int ret, pidfd = ctl_leave_watch(args);

	if ((args->given & CTL_FORCE) && device->sectors) {
		ret = ctl_swap_to_error(device);
		if (ret) {
			ctl_error("%s: cannot replace its table: %s", args->name, strerror(-ret));
			goto out;
		}
	}
	ret = args->given & CTL_FORCE ? remove_failed_device(device->name)
				      : ctl_dm_remove(device->name);
	if (ret == -EBUSY)
		busy_error(device, args->given & CTL_FORCE);
	else if (ret && ret != -ENXIO)
		ctl_error("%s: cannot be removed: %s", args->name, strerror(-ret));
	if (!ret || ret == -ENXIO) {
		ctl_leave_await(pidfd);
		pidfd = -1;
		dmu_run_clean(args->run_dir, args->name);
		ret = 0;
	}
out:
	if (pidfd >= 0)
		close(pidfd);
	return ret;
}

int ctl_remove(const struct ctl_args *args)
{
	struct ctl_device device;
	int ret;

	ret = ctl_dm_device(args->name, &device);
	if (ret == -ENXIO)	/* a crash may have left the run directory */
		dmu_run_clean(args->run_dir, args->name);
	/* An earlier remove --force or an earlier create did not finish. */
	if ((ret == -EMEDIUMTYPE || ret == -ENODATA) && ctl_dm_is_ours(&device))
		ret = 0;
	if (ret) {
		ctl_dm_device_error(args->name, ret);
		return CTL_FAILED;
	}
	if (remove_device(args, &device))
		return CTL_FAILED;
	if (args->given & CTL_JSON)
		return ctl_json_print(json_pack("{s:s, s:b}", "name", args->name, "removed", 1));
	return CTL_DONE;
}
