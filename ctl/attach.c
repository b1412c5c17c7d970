// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmuserctl attach: from a dm-linear table back to one of the dm-user target. The new table maps
 * the whole disk from its first moment, so no request waits for the daemon that is started next.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* file: and a path of the disk, if the command line has no spec. */
static int find_spec(struct attach *attach, char *error, size_t len)
{
	char link[64], path[PATH_MAX], text[DMU_SPEC_MAX];
	const char *given = attach->args->spec;
	int ret;

	if (!given) {
		snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(attach->disk),
			 minor(attach->disk));
		if (!realpath(link, path)) {
			snprintf(error, len, "no device %u:%u in sysfs: give BACKEND:SOURCE",
				 major(attach->disk), minor(attach->disk));
			return -ENOENT;
		}
		snprintf(text, sizeof(text), "file:/dev/%.200s", strrchr(path, '/') + 1);
		given = text;
	}
	ret = dmu_spec_parse(&attach->spec, given, error, len);
	if (!ret && attach->spec.extents >= DMU_EXTENTS_OFF) {
		snprintf(error, len, "attach needs extents, and %.200s does without", given);
		ret = -EINVAL;
	}
	return ret;
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

int ctl_attach(const struct ctl_args *args)
{
	struct attach attach = { .args = args };
	struct ctl_args start = *args;
	char error[DMU_ERROR_MAX];
	int ret;

	ret = ctl_dm_device(args->name, &attach.device);
	if (!ret) {
		ctl_error("%s: is a device of the dm-user target already: use handover",
			  args->name);
		return CTL_FAILED;
	}
	if (ret == -EMEDIUMTYPE && !ctl_dm_is_ours(&attach.device)) {
		ctl_error("%s: not a device that dmuserctl has made", args->name);
		return CTL_FAILED;
	}
	if (ret != -EMEDIUMTYPE) {
		ctl_dm_device_error(args->name, ret);
		return CTL_FAILED;
	}
	ret = attach_table(&attach, error, sizeof(error));
	if (ret) {
		ctl_error("%s: not attached, all is as it was: %s", args->name, error);
		return CTL_FAILED;
	}
	start.spec = attach.spec.text;
	ret = ctl_handover(&start);
	if (ret)
		undo(&attach);
	return ret;
}
