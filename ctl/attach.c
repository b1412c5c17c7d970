// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmuserctl attach: from a dm-linear table back to one of the dm-user target. The new table maps
 * the whole disk from its first moment, so no request waits for the daemon that is started next.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/retire.h"
#include "ctl/swap.h"
#include "lib/dm.h"
#include "lib/dmuser.h"
#include "rundir/directory.h"

struct attach {
	const struct ctl_args *args;
	struct ctl_device device;
	struct ctl_row row;		/* of the dm-linear table */
	dev_t disk;
	struct dmu_spec spec;
};

/* Is the device what a retired one is: all of it one row, from the beginning of a disk? */
static int check_table(struct attach *attach, char *error, size_t len)
{
	const char *name = attach->device.name;
	unsigned int major, minor;
	uint64_t target;
	int ret = ctl_swap_read(name, &attach->row), end = 0;

	if (ret && ret != -E2BIG) {
		snprintf(error, len, "cannot read its table: %s", strerror(-ret));
		return ret;
	}
	if (ret || strcmp(attach->row.type, "linear") || attach->row.start ||
	    sscanf(attach->row.params, "%u:%u %" SCNu64 "%n", &major, &minor, &target, &end) != 3 ||
	    attach->row.params[end] || target) {
		snprintf(error, len, "its table is not one row of dm-linear from the first sector "
			 "of a disk on");
		return -EINVAL;
	}
	attach->disk = makedev(major, minor);
	return 0;
}

/* Write the path of the disk's node in /dev, as the kernel names it. */
static int disk_path(dev_t disk, char *path, size_t len)
{
	char uevent[64], line[PATH_MAX];
	int ret = -ENOENT;
	FILE *file;

	snprintf(uevent, sizeof(uevent), "/sys/dev/block/%u:%u/uevent", major(disk), minor(disk));
	file = fopen(uevent, "re");
	while (file && ret && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "DEVNAME=", strlen("DEVNAME=")) &&
		    (size_t)snprintf(path, len, "/dev/%s", line + strlen("DEVNAME=")) < len)
			ret = 0;
	}
	if (file)
		fclose(file);
	return ret;
}

/* The spec of the command line, or file: and the disk. It must be of that disk. */
static int find_spec(struct attach *attach, char *error, size_t len)
{
	char path[256], text[DMU_SPEC_MAX];
	const char *given = attach->args->spec;
	struct stat st;
	int ret;

	if (!given) {
		if (disk_path(attach->disk, path, sizeof(path))) {
			snprintf(error, len, "no device %u:%u in sysfs: give BACKEND:SOURCE",
				 major(attach->disk), minor(attach->disk));
			return -ENOENT;
		}
		snprintf(text, sizeof(text), "file:%s", path);
		given = text;
	}
	ret = dmu_spec_parse(&attach->spec, given, error, len);
	if (ret)
		return ret;
	if (attach->spec.extents >= DMU_EXTENTS_OFF) {
		snprintf(error, len, "attach needs extents, and %.200s does without", given);
		return -EINVAL;
	}
	if (stat(attach->spec.source, &st) || !S_ISBLK(st.st_mode) || st.st_rdev != attach->disk) {
		snprintf(error, len, "%.200s is not the disk of its table, %u:%u",
			 attach->spec.source, major(attach->disk), minor(attach->disk));
		return -EXDEV;
	}
	return 0;
}

/* The row for a daemon. */
static int make_row(const struct attach *attach, struct ctl_row *row, char *error, size_t len)
{
	const struct dmu_dm_row wanted = {
		.ctl = attach->args->name, .args = attach->spec.table_args,
		.backing = attach->disk, .extents = true, .mapped = true,
	};

	if (!dmu_dm_has_extents()) {
		snprintf(error, len, "the kernel module dm-user is missing, or has no extents");
		return -ENOENT;
	}
	*row = (struct ctl_row){ .sectors = attach->row.sectors, .type = "user" };
	if (dmu_dm_row_params(row->params, sizeof(row->params), &wanted, true,
			      DMU_DM_EXTENTS_MINOR)) {
		snprintf(error, len, "the table row is too long");
		return -E2BIG;
	}
	return 0;
}

static int attach_table(struct attach *attach, char *error, size_t len)
{
	struct ctl_row row;
	int ret;

	ret = check_table(attach, error, len);
	if (!ret)
		ret = find_spec(attach, error, len);
	if (!ret)
		ret = make_row(attach, &row, error, len);
	if (!ret)
		ret = ctl_swap_reside(error, len);
	return ret ? ret : ctl_swap(&attach->device, &row, 1, error, len);
}

/* No daemon has come: back to the table from before. */
static void undo(struct attach *attach)
{
	char error[DMU_ERROR_MAX] = "";
	int ret = ctl_dm_device(attach->args->name, &attach->device);

	if (!ret)
		ret = ctl_retire_device(&attach->device, error, sizeof(error));
	if (ret)
		ctl_error("%s: the table stays, and maps the disk: %s", attach->args->name,
			  *error ? error : strerror(-ret));
	else
		ctl_error("%s: not attached, all is as it was", attach->args->name);
}

static int attach_locked(struct attach *attach, int lock)
{
	struct ctl_args start = *attach->args;
	char error[DMU_ERROR_MAX];
	int ret;

	ret = attach_table(attach, error, sizeof(error));
	if (ret) {
		ctl_error("%s: not attached, all is as it was: %s", attach->args->name, error);
		return CTL_FAILED;
	}
	start.spec = attach->spec.text;
	ret = ctl_handover_locked(&start, lock);
	if (ret)
		undo(attach);
	return ret;
}

int ctl_attach(const struct ctl_args *args)
{
	struct attach attach = { .args = args };
	char error[DMU_ERROR_MAX];
	int ret, lock;

	ret = dmu_run_prepare(args->run_dir, args->name, error, sizeof(error));
	if (ret) {
		ctl_error("%s: not attached: %s", args->name, error);
		return CTL_FAILED;
	}
	lock = dmu_run_lock(args->run_dir, args->name);
	if (lock < 0) {
		ctl_error("%s: not attached: %s", args->name, lock == -EWOULDBLOCK ?
			  "another dmuserctl is at work on it" : strerror(-lock));
		return CTL_FAILED;
	}
	ret = ctl_dm_device(args->name, &attach.device);
	if (!ret)
		ctl_error("%s: is a device of the dm-user target already: use handover",
			  args->name);
	else if (ret == -EMEDIUMTYPE && !ctl_dm_is_ours(&attach.device))
		ctl_error("%s: not a device that dmuserctl has made", args->name);
	else if (ret != -EMEDIUMTYPE)
		ctl_dm_device_error(args->name, ret);
	ret = ret == -EMEDIUMTYPE && ctl_dm_is_ours(&attach.device) ?
		attach_locked(&attach, lock) : CTL_FAILED;
	close(lock);
	dmu_run_leave(args->run_dir, args->name);
	return ret;
}
