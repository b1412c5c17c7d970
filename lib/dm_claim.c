// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A claim of a device in use on another backing device: its table is replaced by one with the
 * claim.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "lib/dm.h"
#include "lib/dmuser.h"

/* After a word of a row, in which a backslash escapes, and the blanks behind it. */
static const char *after_word(const char *at)
{
	while (*at && *at != ' ')
		at += at[0] == '\\' && at[1] ? 2 : 1;
	return at + strspn(at, " ");
}

/*
 * @row: the row @params, "IGNORED IGNORED CTL [<n> <arg>...]", with a claim on @backing. The new
 * row names its compat mode, since the module's parameter may have changed after the old row was
 * loaded.
 */
static void change_claim(char *row, const char *params, bool android, dev_t backing)
{
	const char *count = after_word(after_word(after_word(params))), *arg;
	char args[DMU_DM_ROW_MAX] = "", word[DMU_DM_ROW_MAX];

	for (arg = after_word(count); *arg; arg = after_word(arg)) {
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg, " "), arg);
		if (strncmp(word, DMU_DM_BACKING, strlen(DMU_DM_BACKING)))
			dmu_dm_row_add(args, word);
	}
	if (!strstr(args, "compat:"))
		dmu_dm_row_add(args, android ? "compat:android" : "compat:none");
	dmu_dm_row_add_backing(args, backing);
	snprintf(row, DMU_DM_ROW_MAX, "%.*s", (int)(count - params), params);
	if (*count)
		row[strlen(row) - 1] = '\0';
	snprintf(word, sizeof(word), "%u", dmu_dm_row_count(args));
	dmu_dm_row_add(row, word);
	dmu_dm_row_add(row, args);
}

static bool has_claim(const char *params, dev_t backing)
{
	unsigned int major, minor;
	const char *at = strstr(params, " " DMU_DM_BACKING);

	return at && sscanf(at, " " DMU_DM_BACKING "%u:%u", &major, &minor) == 2 &&
	       makedev(major, minor) == backing;
}

/*
 * Read the table or the status of device @name, by @flags. call->request then describes the device.
 */
static int read_text(struct dmu_dm_call *call, const char *name, uint32_t flags, char *text,
		     size_t len)
{
	int rc;

	dmu_dm_call_prepare(call, name);
	call->request->dm.flags = flags;
	rc = dmu_dm_call_run(call, DM_TABLE_STATUS);
	return rc ? rc : dmu_dm_call_row(call, text, len);
}

/* Is @row the inactive table, which a resume would make live? */
static bool row_waits(struct dmu_dm_call *call, const char *name, const char *row)
{
	char waiting[DMU_DM_ROW_MAX];

	return !read_text(call, name, DM_STATUS_TABLE_FLAG | DM_QUERY_INACTIVE_TABLE_FLAG, waiting,
			  sizeof(waiting)) && !strcmp(waiting, row);
}

/* Make the inactive table @row live. On failure, clear it and resume the old table. */
static int swap_table(struct dmu_dm_call *call, const char *name, const char *row)
{
	int rc;

	dmu_dm_call_prepare(call, name);
	call->request->dm.event_nr = DMU_DM_UDEV_PRIMARY;
	call->request->dm.flags = DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG;
	rc = dmu_dm_call_run(call, DM_DEV_SUSPEND);	/* suspends, and resumes */
	if (!rc)
		return 0;
	if (row_waits(call, name, row)) {
		dmu_dm_call_prepare(call, name);
		dmu_dm_call_run(call, DM_TABLE_CLEAR);
	}
	/* These two errors leave the device unsuspended. */
	if (rc == -EINTR || rc == -EINVAL)
		return rc;
	dmu_dm_call_prepare(call, name);
	dmu_dm_call_run(call, DM_DEV_SUSPEND);
	return rc;
}

static int claim(struct dmu_dm_call *call, dev_t backing, bool read_only, char *error, size_t len)
{
	char row[DMU_DM_ROW_MAX], params[DMU_DM_ROW_MAX - 128], status[DMU_DM_ROW_MAX] = "";
	char name[DM_NAME_LEN];
	const struct dm_target_spec *spec = dmu_dm_call_payload(call);
	uint32_t flags, rows;
	uint64_t start, sectors;
	int rc;

	snprintf(name, sizeof(name), "%s", call->request->dm.name);
	rc = read_text(call, name, DM_STATUS_TABLE_FLAG, params, sizeof(params));
	if (rc) {
		snprintf(error, len, "cannot read its table: %s", strerror(-rc));
		return rc;
	}
	flags = call->request->dm.flags;
	rows = call->request->dm.target_count;
	start = spec->sector_start;
	sectors = spec->length;
	if (has_claim(params, backing))
		return 0;
	rc = read_text(call, name, DM_NOFLUSH_FLAG, status, sizeof(status));
	if (rc) {
		snprintf(error, len, "cannot read its status: %s", strerror(-rc));
		return rc;
	}
	change_claim(row, params, strstr(status, " android:1"), backing);
	if ((flags & DM_SUSPEND_FLAG) || rows != 1 || start) {
		snprintf(error, len, "%s", flags & DM_SUSPEND_FLAG ? "it is suspended" :
			 "its table has several rows");
		return -EBUSY;
	}
	/*
	 * An inactive table belongs to another program, unless a daemon of ours died before the
	 * swap.
	 */
	if (!(flags & DM_INACTIVE_PRESENT_FLAG)) {
		rc = dmu_dm_call_load(call, name, sectors, row, read_only, error, len);
		if (rc)
			return rc;
	} else if (!row_waits(call, name, row)) {
		snprintf(error, len, "another table of it waits for a resume");
		return -EBUSY;
	}
	rc = swap_table(call, name, row);
	if (rc)
		snprintf(error, len, "cannot change its table: %s", strerror(-rc));
	return rc ? rc : 1;
}

int dmu_dm_claim(const char *name, dev_t backing, bool read_only, char *error, size_t len)
{
	struct dmu_dm_call call;
	unsigned int minor;
	int rc = dmu_dm_call_begin(&call);

	if (rc) {
		snprintf(error, len, "cannot ask device-mapper: %s", strerror(-rc));
		return rc;
	}
	rc = dmu_dm_call_target(&call, &minor, error, len);
	if (!rc && minor >= DMU_DM_BACKING_MINOR) {
		dmu_dm_call_prepare_for(&call, name);
		rc = claim(&call, backing, read_only, error, len);
	}
	dmu_dm_call_end(&call);
	return rc;
}
