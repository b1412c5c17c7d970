// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "ctl/swap.h"
#include "ctl/task.h"
#include "lib/dmuser.h"
#include "lib/number.h"

int ctl_swap_reside(char *error, size_t len)
{
	int ret = dmu_resident_lock_memory();

	if (ret)
		snprintf(error, len, "cannot lock memory: %s", strerror(-ret));
	return ret;
}

int ctl_swap_read(const char *name, struct ctl_row *row)
{
	char *type = NULL, *params = NULL;
	struct dm_task *task;
	struct dm_info info;
	int ret;

	ret = ctl_task_query(&task, DM_DEVICE_TABLE, CTL_BY_NAME, name, &info);
	if (ret)
		goto out;
	if (dm_get_next_target(task, NULL, &row->start, &row->sectors, &type, &params))
		ret = -E2BIG;
	else if (!type || !params)
		ret = -ENODATA;
	else if ((size_t)snprintf(row->type, sizeof(row->type), "%s", type) >= sizeof(row->type) ||
		 (size_t)snprintf(row->params, sizeof(row->params), "%s", params) >=
		 sizeof(row->params))
		ret = -ENAMETOOLONG;
out:
	if (task)
		dm_task_destroy(task);
	return ret;
}

static int load(const struct ctl_device *device, const struct ctl_row *rows, unsigned int count)
{
	struct dm_task *task = ctl_task_new(DM_DEVICE_RELOAD, device->name);
	bool whole = task && (!device->read_only || dm_task_set_ro(task));
	unsigned int i;
	int ret = -ENOMEM;

	for (i = 0; whole && i < count; i++)
		whole = dm_task_add_target(task, rows[i].start, rows[i].sectors, rows[i].type,
					   rows[i].params);
	if (whole)
		ret = ctl_task_run(task);
	if (task)
		dm_task_destroy(task);
	return ret;
}

/* Is @rows the inactive table? One of ours may have died before the swap. */
static bool waits(const struct ctl_device *device, const struct ctl_row *rows, unsigned int count)
{
	struct dm_task *task = ctl_task_new(DM_DEVICE_TABLE, device->name);
	char *type = NULL, *params = NULL;
	uint64_t start, sectors;
	void *next = NULL;
	unsigned int i = 0;
	bool same = task && dm_task_query_inactive_table(task) && !ctl_task_run(task);

	while (same) {
		next = dm_get_next_target(task, next, &start, &sectors, &type, &params);
		same = i < count && type && params && start == rows[i].start &&
		       sectors == rows[i].sectors && !strcmp(type, rows[i].type) &&
		       !strcmp(params, rows[i].params);
		i++;
		if (!next)
			break;
	}
	if (task)
		dm_task_destroy(task);
	return same && i == count;
}

static int run_simple(const char *name, int type)
{
	struct dm_task *task = ctl_task_new(type, name);
	int ret = -ENOMEM;

	if (task && dm_task_no_flush(task) && dm_task_skip_lockfs(task))
		ret = type == DM_DEVICE_RESUME ? ctl_task_run_synced(task) : ctl_task_run(task);
	if (task)
		dm_task_destroy(task);
	return ret;
}

static bool is_suspended(const char *name)
{
	struct dm_task *task;
	struct dm_info info = { 0 };
	int ret = ctl_task_query(&task, DM_DEVICE_INFO, CTL_BY_NAME, name, &info);

	if (task)
		dm_task_destroy(task);
	return !ret && info.suspended;
}

/*
 * A resume of a device with an inactive table suspends, swaps and resumes. It waits for requests in
 * flight: a signal would end that.
 */
static int resume(const struct ctl_device *device)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	ret = run_simple(device->name, DM_DEVICE_RESUME);
	if (ret) {
		run_simple(device->name, DM_DEVICE_CLEAR);
		/* It was not before. */
		if (is_suspended(device->name))
			run_simple(device->name, DM_DEVICE_RESUME);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ret;
}

int ctl_swap(const struct ctl_device *device, const struct ctl_row *rows, unsigned int count,
	     char *error, size_t len)
{
	struct dm_task *task;
	struct dm_info info;
	int ret;

	ret = ctl_task_query(&task, DM_DEVICE_INFO, CTL_BY_NAME, device->name, &info);
	if (task)
		dm_task_destroy(task);
	if (ret) {
		snprintf(error, len, "cannot ask device-mapper: %s", strerror(-ret));
		return ret;
	}
	if (info.suspended || (info.inactive_table && !waits(device, rows, count))) {
		snprintf(error, len, "%s", info.suspended ? "it is suspended" :
			 "another table of it waits for a resume");
		return -EBUSY;
	}
	ret = info.inactive_table ? 0 : load(device, rows, count);
	if (ret) {
		snprintf(error, len, "the kernel refuses the table '%.200s': %s (the kernel log "
			 "says why)", rows[0].params, strerror(-ret));
		return ret;
	}
	ret = resume(device);
	if (ret)
		snprintf(error, len, "cannot change its table: %s", strerror(-ret));
	return ret;
}

int ctl_swap_to_error(const struct ctl_device *device)
{
	const struct ctl_row row = { .sectors = device->start + device->sectors, .type = "error" };
	int ret = load(device, &row, 1);

	return ret ? ret : run_simple(device->name, DM_DEVICE_RESUME);
}

int ctl_sysfs_number(dev_t number, const char *key, uint64_t *value)
{
	char path[128], line[32];
	FILE *file;
	int ret = -ENODATA;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(number), minor(number), key);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	if (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		ret = dmu_number_parse(value, line, 0, UINT64_MAX);
	}
	fclose(file);
	return ret;
}

int ctl_queue_number(dev_t number, const char *key, uint64_t *value)
{
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "queue/%s", key);
	ret = ctl_sysfs_number(number, path, value);
	if (ret != -ENOENT)
		return ret;
	/* A partition has the queue of its disk. */
	snprintf(path, sizeof(path), "../queue/%s", key);
	return ctl_sysfs_number(number, path, value);
}
