// SPDX-License-Identifier: LGPL-2.1-or-later
/* A new device: created, given its row, started, and linked in /dev/mapper. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/dm.h"
#include "lib/dmuser.h"

#define COMPAT_PARAMETER	"/sys/module/dm_user/parameters/compat"

static bool is_node_of(const char *path, uint64_t dev)
{
	struct stat st;

	return !stat(path, &st) && S_ISBLK(st.st_mode) && st.st_rdev == dev;
}

/*
 * A link to the node of devtmpfs, as udev makes it too: udev replaces a link, but not a node. A
 * node of our own only where there is no devtmpfs.
 */
static int node_make(const char *name, uint64_t dev)
{
	char path[sizeof("/dev/mapper/") + DM_NAME_LEN], target[32], device[32];
	int rc, error;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	if (is_node_of(path, dev))
		return 0;
	unlink(path);
	snprintf(target, sizeof(target), "../dm-%u", minor(dev));
	snprintf(device, sizeof(device), "/dev/dm-%u", minor(dev));
	rc = is_node_of(device, dev) ? symlink(target, path) : mknod(path, S_IFBLK | 0600, dev);
	error = rc ? errno : 0;
	/* udev may have been faster. */
	return error == EEXIST && is_node_of(path, dev) ? 0 : -error;
}

static int create_device(struct dmu_dm_call *call, const char *name, bool read_only,
			 char *error, size_t len)
{
	int rc;

	dmu_dm_call_prepare(call, name);
	dmu_dm_call_set_uuid(call, name);
	call->request->dm.flags = read_only ? DM_READONLY_FLAG : 0;
	rc = dmu_dm_call_run(call, DM_DEV_CREATE);
	if (rc == -EBUSY) {
		snprintf(error, len, "device name '%s' is in use", name);
		return -EEXIST;
	}
	if (rc)
		snprintf(error, len, "cannot create device '%s': %s", name, strerror(-rc));
	return rc;
}

/*
 * "compat:none" where the module's parameter makes a row without compat: Android's, or cannot be
 * read: the policies of our row do not depend on the parameter.
 */
static const char *compat_arg(const char *args, unsigned int minor)
{
	char text[16] = "";
	ssize_t len = 0;
	int fd;

	if (minor < DMU_DM_COMPAT_MINOR || strstr(args, "compat:"))
		return "";
	fd = open(COMPAT_PARAMETER, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	return len > 0 && !strcmp(text, "none\n") ? "" : "compat:none";
}

int dmu_dm_row_params(char *params, size_t len, const struct dmu_dm_row *row, bool claims,
		      unsigned int minor)
{
	char args[DMU_DM_ROW_MAX] = "";

	dmu_dm_row_add(args, compat_arg(row->args, minor));
	dmu_dm_row_add(args, row->args);
	if (claims)
		dmu_dm_row_add_backing(args, row->backing);
	if (claims && row->extents && minor >= DMU_DM_EXTENTS_MINOR)
		dmu_dm_row_add(args, row->mapped ? "extents:on mapped:on" : "extents:on");
	return (size_t)snprintf(params, len, "0 0 %s %u %s", row->ctl, dmu_dm_row_count(args),
				args) >= len ? -E2BIG : 0;
}

static int load_table(struct dmu_dm_call *call, const char *name,
		      const struct dmu_dm_row *row, bool claims, unsigned int minor, char *error,
		      size_t len)
{
	char params[DMU_DM_ROW_MAX];

	if (dmu_dm_row_params(params, sizeof(params), row, claims, minor)) {
		snprintf(error, len, "table row of '%s' is too long", name);
		return -E2BIG;
	}
	return dmu_dm_call_load(call, name, row->sectors, params, row->read_only, error, len);
}

/* Load the table, with a claim where the target knows claims and the backing device allows it. */
static int load_claiming_table(struct dmu_dm_call *call, const char *name,
			       const struct dmu_dm_row *row, unsigned int minor, char *error,
			       size_t len)
{
	bool claims = row->backing && minor >= DMU_DM_BACKING_MINOR;
	unsigned int tries = 0;
	int rc;

	do {
		rc = load_table(call, name, row, claims, minor, error, len);
	} while (claims && !row->read_only && dmu_dm_busy_for_now(rc, &tries));
	if (rc == -EBUSY && claims && row->read_only)
		rc = load_table(call, name, row, false, minor, error, len);
	return rc;
}

static int resume_device(struct dmu_dm_call *call, const char *name, char *error,
			 size_t len)
{
	int rc;

	dmu_dm_call_prepare(call, name);
	call->request->dm.event_nr = DMU_DM_UDEV_PRIMARY;
	rc = dmu_dm_call_run(call, DM_DEV_SUSPEND);	/* without DM_SUSPEND_FLAG: resume */
	if (rc)
		snprintf(error, len, "cannot start device '%s': %s", name, strerror(-rc));
	return rc;
}

int dmu_dm_create(const char *name, const struct dmu_dm_row *row, char *error, size_t len)
{
	struct dmu_dm_call call;
	unsigned int minor;
	int rc;

	if (!dmu_name_valid(name) || !dmu_name_valid(row->ctl)) {
		snprintf(error, len, "'%.80s' is no name for a device",
			 dmu_name_valid(name) ? row->ctl : name);
		return -EINVAL;
	}
	rc = dmu_dm_call_begin(&call);
	if (rc) {
		snprintf(error, len, "cannot use " DMU_DM_CONTROL ": %s%s", strerror(-rc),
			 rc == -ENOENT || rc == -ENODEV
				 ? " (are the modules dm-mod and dm-user loaded?)"
				 : "");
		return rc;
	}
	rc = dmu_dm_call_target(&call, &minor, error, len);
	if (!rc)
		rc = create_device(&call, name, row->read_only, error, len);
	if (rc)
		goto end_call;
	rc = load_claiming_table(&call, name, row, minor, error, len);
	if (!rc)
		rc = resume_device(&call, name, error, len);
	if (!rc) {
		rc = node_make(name, call.request->dm.dev);
		if (rc)
			snprintf(error, len, "cannot make /dev/mapper/%s: %s", name, strerror(-rc));
	}
	if (rc)
		dmu_dm_call_remove(&call, name);
end_call:
	dmu_dm_call_end(&call);
	if (!rc && len)
		*error = '\0';
	return rc;
}
