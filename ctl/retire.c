// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmuserctl retire: the extents become the rows of a dm-linear table. First the extents are pinned:
 * the kernel gives no request to a daemon any more, and no daemon changes an extent. So if
 * dmuserctl dies before the swap, the device works, and the next retire or an unpin goes on from
 * there.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/leave.h"
#include "ctl/output.h"
#include "ctl/retire.h"
#include "ctl/swap.h"
#include "lib/dmuser.h"
#include "rundir/clean.h"
#include "rundir/directory.h"

#define ROWS_MAX	4096
#define PIN_MS		10000	/* for requests that a daemon has, and for the next flush */
#define LOOK_MS		20

/* Why the kernel does not pin the extents of @device. */
static void describe_busy(const struct ctl_device *device, char *error, size_t len)
{
	const struct dmu_target_status *status = &device->kstatus;

	if (status->mapped < device->sectors)
		snprintf(error, len, "the kernel maps %" PRIu64 " of its %" PRIu64 " sectors, the "
			 "daemon does the rest", status->mapped, device->sectors);
	else if (status->queued || status->held || status->fenced)
		snprintf(error, len, "requests wait for a daemon, or are with one");
	else if (status->lost)
		snprintf(error, len, "writes to it were lost, which the next flush has to tell: "
			 "sync what is on the device");
	else if (!status->clean)
		snprintf(error, len, "no flush has covered what the daemon holds: sync what is on "
			 "the device");
	else
		snprintf(error, len, "not all of it is mapped for reading and writing");
}

/* Pin the extents. What can be over soon is waited for. */
static int pin(struct ctl_device *device, char *error, size_t len)
{
	uint64_t deadline = dmu_now_ms() + PIN_MS;
	char name[sizeof(device->name)];
	int ret;

	strcpy(name, device->name);
	while ((ret = ctl_dm_message(device, "pin")) == -EBUSY) {
		if (ctl_dm_device(name, device)) {
			snprintf(error, len, "the device is gone");
			return -ENXIO;
		}
		describe_busy(device, error, len);
		if (device->kstatus.mapped < device->sectors || dmu_now_ms() >= deadline)
			return ret;
		poll(NULL, 0, LOOK_MS);
	}
	if (ret)
		snprintf(error, len, "cannot pin its extents: %s%s", strerror(-ret),
			 ret == -EINVAL ? " (an older kernel module?)" : "");
	return ret;
}

/* One line of the answer to "extents" as a row. */
static int parse_row(const char *line, struct ctl_row *row, dev_t *backing, uint64_t *target)
{
	unsigned int major, minor;
	char flags[4];

	if (sscanf(line, "%" SCNu64 " %" SCNu64 " %u:%u %" SCNu64 " %3s", &row->start,
		   &row->sectors, &major, &minor, target, flags) != 6)
		return -EINVAL;
	*backing = makedev(major, minor);
	strcpy(row->type, "linear");
	snprintf(row->params, sizeof(row->params), "%u:%u %" PRIu64, major, minor, *target);
	return 0;
}

/* Device-mapper looks at this only when it has suspended the device. */
static int check_size(uint64_t wanted, dev_t backing, uint64_t target, char *error, size_t len)
{
	uint64_t sectors;

	if (!ctl_sysfs_number(backing, "size", &sectors) && target <= sectors &&
	    wanted <= sectors - target)
		return 0;
	snprintf(error, len, "an extent ends beyond device %u:%u", major(backing), minor(backing));
	return -ERANGE;
}

/* File systems on the live device know its blocks. */
static int check_blocks(const struct ctl_device *device, dev_t backing, char *error, size_t len)
{
	static const char *const keys[] = { "logical_block_size", "physical_block_size" };
	const dev_t live = makedev(device->major, device->minor);
	uint64_t ours, theirs;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (ctl_queue_number(live, keys[i], &ours) ||
		    ctl_queue_number(backing, keys[i], &theirs)) {
			snprintf(error, len, "sysfs does not say its %s", keys[i]);
			return -ENOENT;
		}
		if (ours != theirs) {
			snprintf(error, len, "its %s is %" PRIu64 ", that of device %u:%u is %"
				 PRIu64, keys[i], ours, major(backing), minor(backing), theirs);
			return -EINVAL;
		}
	}
	return 0;
}

/* The extents of @device as rows: how many, or -errno with @error. The caller frees *@rows. */
static int list_rows(const struct ctl_device *device, struct ctl_row **rows, char *error,
		     size_t len)
{
	char *answer = NULL, *line, *next;
	dev_t backing = 0, last = 0;
	uint64_t target;
	int count = 0, ret;

	*rows = calloc(ROWS_MAX, sizeof(**rows));
	ret = *rows ? ctl_dm_ask(device, "extents", &answer) : -ENOMEM;
	if (ret)
		snprintf(error, len, "cannot list its extents: %s", strerror(-ret));
	line = ret ? NULL : strtok_r(answer, "\n", &next);
	for (; !ret && line; line = strtok_r(NULL, "\n", &next)) {
		if (count == ROWS_MAX) {
			snprintf(error, len, "it has more than %d extents", ROWS_MAX);
			ret = -E2BIG;
		} else if (parse_row(line, &(*rows)[count++], &backing, &target)) {
			snprintf(error, len, "its extent '%.80s' makes no sense", line);
			ret = -EINVAL;
		} else {
			ret = check_size((*rows)[count - 1].sectors, backing, target, error, len);
			if (!ret && backing != last)
				ret = check_blocks(device, backing, error, len);
		}
		last = backing;
	}
	free(answer);
	return ret ? ret : count;
}

static int swap_pinned(const struct ctl_device *device, char *error, size_t len)
{
	struct ctl_row *rows = NULL;
	int ret;

	ret = list_rows(device, &rows, error, len);
	if (ret > 0)
		ret = ctl_swap(device, rows, (unsigned int)ret, error, len);
	free(rows);
	return ret;
}

int ctl_retire_device(struct ctl_device *device, char *error, size_t len)
{
	struct ctl_row row;
	bool was_pinned;
	int ret;

	if (!device->policy.extents) {
		snprintf(error, len, "its table has no extents");
		return -EOPNOTSUPP;
	}
	ret = ctl_swap_read(device->name, &row);
	if (ret) {
		snprintf(error, len, "%s", ret == -E2BIG ? "its table has several rows" :
			 strerror(-ret));
		return ret;
	}
	was_pinned = device->kstatus.pinned;
	ret = ctl_swap_reside(error, len);
	if (!ret)
		ret = pin(device, error, len);
	if (ret)
		return ret;
	ret = swap_pinned(device, error, len);
	if (ret && !was_pinned)
		ctl_dm_message(device, "unpin");
	return ret;
}

static int report(const struct ctl_args *args)
{
	if (args->given & CTL_JSON)
		return ctl_json_print(json_pack("{s:s, s:b}", "name", args->name, "retired", 1));
	printf("%s: the kernel does all I/O, no daemon serves it any more\n", args->name);
	return CTL_DONE;
}

int ctl_retire(const struct ctl_args *args)
{
	char error[DMU_ERROR_MAX];
	struct ctl_device device;
	int ret, lock, pidfd;

	if (ctl_dm_require(args->name, &device))
		return CTL_FAILED;
	/* No daemon comes or goes meanwhile. */
	lock = dmu_run_lock(args->run_dir, args->name);
	if (lock == -EWOULDBLOCK) {
		ctl_error("%s: not retired: another dmuserctl is handing it over", args->name);
		return CTL_FAILED;
	}
	pidfd = ctl_leave_watch(args);
	ret = ctl_retire_device(&device, error, sizeof(error));
	if (ret) {
		ctl_error("%s: not retired, all is as it was: %s", args->name, error);
		if (pidfd >= 0)
			close(pidfd);
	} else {
		ctl_leave_await(pidfd);
	}
	if (lock >= 0)
		close(lock);
	if (!ret)
		dmu_run_clean(args->run_dir, args->name);
	return ret ? CTL_FAILED : report(args);
}
