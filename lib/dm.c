// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Device-mapper by ioctl, for programs that must be static: libdevmapper has no archive. Source of
 * the format: <linux/dm-ioctl.h>.
 *
 * udev: events carry DM_UDEV_PRIMARY_SOURCE_FLAG and no cookie, as libdevmapper sends them without
 * udev synchronisation. With the flag, udev's rules take the device for a real one; systemd would
 * unmount it otherwise. Without a cookie, no process waits for udev, which an initramfs may lack.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/dm.h"
#include "lib/dmuser.h"

#define BUSY_TRIES	50
#define BUSY_WAIT_MS	20

/* ---- one ioctl ---- */

int dmu_dm_call_begin(struct dmu_dm_call *call)
{
	call->control = open(DMU_DM_CONTROL, O_RDWR | O_CLOEXEC);
	if (call->control < 0)
		return -errno;
	call->request = malloc(sizeof(*call->request));
	if (call->request)
		return 0;
	close(call->control);
	return -ENOMEM;
}

void dmu_dm_call_end(struct dmu_dm_call *call)
{
	free(call->request);
	close(call->control);
}

void dmu_dm_call_prepare(struct dmu_dm_call *call, const char *name)
{
	struct dm_ioctl *dm = &call->request->dm;

	memset(call->request, 0, sizeof(*call->request));
	/* 4.0.0: the kernel takes every version that is not newer than its own. */
	dm->version[0] = DM_VERSION_MAJOR;
	dm->data_size = sizeof(*call->request);
	dm->data_start = sizeof(*dm);
	snprintf(dm->name, sizeof(dm->name), "%s", name);
}

void *dmu_dm_call_payload(struct dmu_dm_call *call)
{
	return call->request->bytes + call->request->dm.data_start;
}

int dmu_dm_call_run(struct dmu_dm_call *call, unsigned long command)
{
	return ioctl(call->control, command, call->request) < 0 ? -errno : 0;
}

void dmu_dm_call_set_uuid(struct dmu_dm_call *call, const char *name)
{
	struct dm_ioctl *dm = &call->request->dm;

	snprintf(dm->uuid, sizeof(dm->uuid), DMU_UUID_PREFIX "%s", name);
}

void dmu_dm_call_prepare_for(struct dmu_dm_call *call, const char *name)
{
	char now[DM_NAME_LEN];

	dmu_dm_call_prepare(call, "");
	dmu_dm_call_set_uuid(call, name);
	snprintf(now, sizeof(now), "%s",
		 dmu_dm_call_run(call, DM_DEV_STATUS) ? name : call->request->dm.name);
	dmu_dm_call_prepare(call, now);
}

bool dmu_dm_busy_for_now(int rc, unsigned int *tries)
{
	if (rc != -EBUSY || ++*tries == BUSY_TRIES)
		return false;
	poll(NULL, 0, BUSY_WAIT_MS);
	return true;
}

/* ---- steps of several commands ---- */

int dmu_dm_call_target(struct dmu_dm_call *call, unsigned int *minor, char *error, size_t len)
{
	const struct dm_target_versions *target;
	int rc;

	dmu_dm_call_prepare(call, "");
	rc = dmu_dm_call_run(call, DM_VERSION);
	if (rc == -EINVAL) {
		snprintf(error, len, "device-mapper of another version (%u.%u): %s",
			 call->request->dm.version[0], call->request->dm.version[1], strerror(-rc));
		return rc;
	}
	if (rc) {
		snprintf(error, len, "cannot ask device-mapper for its version: %s", strerror(-rc));
		return rc;
	}
	/* This also requests the module "dm-user". */
	dmu_dm_call_prepare(call, DMU_DM_TARGET);
	rc = dmu_dm_call_run(call, DM_GET_TARGET_VERSION);
	if (rc == -EINVAL) {
		snprintf(error, len,
			 "the kernel has no device-mapper target '" DMU_DM_TARGET
			 "' (is the module dm-user loaded?)");
		return -ENOENT;
	}
	if (rc) {
		snprintf(error, len, "cannot ask for the target '" DMU_DM_TARGET "': %s",
			 strerror(-rc));
		return rc;
	}
	target = dmu_dm_call_payload(call);
	*minor = target->version[0] > 1 ? UINT_MAX : target->version[1];
	return 0;
}

unsigned int dmu_dm_row_count(const char *text)
{
	unsigned int n = 0;

	for (; *(text += strspn(text, " ")); text += strcspn(text, " "))
		n++;
	return n;
}

void dmu_dm_row_add(char *row, const char *words)
{
	size_t used = strlen(row);

	if (*words)
		snprintf(row + used, DMU_DM_ROW_MAX - used, "%s%s", used ? " " : "", words);
}

void dmu_dm_row_add_backing(char *row, uint64_t backing)
{
	char word[48];

	snprintf(word, sizeof(word), DMU_DM_BACKING "%u:%u", major(backing), minor(backing));
	dmu_dm_row_add(row, word);
}

int dmu_dm_call_load(struct dmu_dm_call *call, const char *name, uint64_t sectors,
		    const char *params, bool read_only, char *error, size_t len)
{
	struct dm_target_spec *spec;
	size_t size = strlen(params) + 1;
	int rc;

	dmu_dm_call_prepare(call, name);
	call->request->dm.target_count = 1;
	call->request->dm.flags = read_only ? DM_READONLY_FLAG : 0;
	spec = dmu_dm_call_payload(call);
	if (size > (size_t)(call->request->bytes + sizeof(*call->request) - (char *)(spec + 1))) {
		snprintf(error, len, "table row of '%s' is too long", name);
		return -E2BIG;
	}
	spec->length = sectors;
	memcpy(spec->target_type, DMU_DM_TARGET, sizeof(DMU_DM_TARGET));
	memcpy(spec + 1, params, size);
	spec->next = (sizeof(*spec) + size + 7) / 8 * 8;
	rc = dmu_dm_call_run(call, DM_TABLE_LOAD);
	if (rc)
		snprintf(error, len,
			 "the kernel refuses the table row '0 %llu " DMU_DM_TARGET
			 " %s': %s (the kernel log says why)",
			 (unsigned long long)sectors, params, strerror(-rc));
	return rc;
}

int dmu_dm_call_row(struct dmu_dm_call *call, char *text, size_t len)
{
	const struct dm_target_spec *spec = dmu_dm_call_payload(call);
	const char *params = (const char *)(spec + 1);
	size_t room;

	if (call->request->dm.flags & DM_BUFFER_FULL_FLAG)
		return -ENOSPC;
	if (!call->request->dm.target_count)
		return -ENODATA;
	if (strcmp(spec->target_type, DMU_DM_TARGET))
		return -EMEDIUMTYPE;
	room = call->request->bytes + sizeof(*call->request) - params;
	if (strnlen(params, room) >= len)
		return -ENOSPC;
	snprintf(text, len, "%.*s", (int)room, params);
	return 0;
}

/* Unlink a link or node of @name that names the device @dev. */
static void node_remove(const char *name, uint64_t dev)
{
	char path[sizeof("/dev/mapper/") + DM_NAME_LEN], target[32], text[32] = "";
	struct stat st;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	snprintf(target, sizeof(target), "../dm-%u", minor(dev));
	if (lstat(path, &st))
		return;
	if (S_ISLNK(st.st_mode) &&
	    (readlink(path, text, sizeof(text) - 1) < 0 || strcmp(text, target)))
		return;
	if (!S_ISLNK(st.st_mode) && (!S_ISBLK(st.st_mode) || st.st_rdev != dev))
		return;
	unlink(path);
}

int dmu_dm_call_remove(struct dmu_dm_call *call, const char *name)
{
	char now[DM_NAME_LEN];
	uint64_t dev;
	int rc;

	dmu_dm_call_prepare_for(call, name);
	rc = dmu_dm_call_run(call, DM_DEV_STATUS);
	if (rc)
		return rc;
	dev = call->request->dm.dev;
	snprintf(now, sizeof(now), "%s", call->request->dm.name);
	dmu_dm_call_prepare(call, now);
	call->request->dm.event_nr = DMU_DM_UDEV_PRIMARY;
	rc = dmu_dm_call_run(call, DM_DEV_REMOVE);
	if (!rc)
		node_remove(now, dev);
	return rc;
}

/* ---- one command each ---- */

/* For one command about the device that was created as @name. */
static int call_begin_for(struct dmu_dm_call *call, const char *name)
{
	int rc = dmu_dm_call_begin(call);

	if (!rc)
		dmu_dm_call_prepare_for(call, name);
	return rc;
}

int dmu_dm_remove(const char *name)
{
	struct dmu_dm_call call;
	unsigned int tries = 0;
	int rc = dmu_dm_call_begin(&call);

	if (rc)
		return rc;
	do {
		rc = dmu_dm_call_remove(&call, name);
	} while (dmu_dm_busy_for_now(rc, &tries));
	dmu_dm_call_end(&call);
	return rc;
}

bool dmu_dm_has_extents(void)
{
	struct dmu_dm_call call;
	unsigned int minor;
	char error[80];
	int rc = dmu_dm_call_begin(&call);

	if (rc)
		return false;
	rc = dmu_dm_call_target(&call, &minor, error, sizeof(error));
	dmu_dm_call_end(&call);
	return !rc && minor >= DMU_DM_EXTENTS_MINOR;
}

int dmu_dm_number(const char *name, dev_t *number)
{
	struct dmu_dm_call call;
	int rc = call_begin_for(&call, name);

	if (rc)
		return rc;
	rc = dmu_dm_call_run(&call, DM_DEV_STATUS);
	*number = rc ? 0 : call.request->dm.dev;
	dmu_dm_call_end(&call);
	return rc;
}

int dmu_dm_exists(const char *name)
{
	dev_t number;
	int rc = dmu_dm_number(name, &number);

	return rc == -ENXIO ? 0 : rc ? rc : 1;
}

int dmu_dm_message(const char *name, const char *message)
{
	struct dm_target_msg *target;
	size_t size = strlen(message) + 1;
	struct dmu_dm_call call;
	int rc;

	if (sizeof(struct dm_ioctl) + sizeof(*target) + size > sizeof(*call.request))
		return -E2BIG;
	rc = call_begin_for(&call, name);
	if (rc)
		return rc;
	target = dmu_dm_call_payload(&call);
	target->sector = 0;
	memcpy(target->message, message, size);
	rc = dmu_dm_call_run(&call, DM_TARGET_MSG);
	dmu_dm_call_end(&call);
	return rc;
}

int dmu_dm_status(const char *name, bool table, char *text, size_t len)
{
	struct dmu_dm_call call;
	int rc = call_begin_for(&call, name);

	if (rc)
		return rc;
	call.request->dm.flags = table ? DM_STATUS_TABLE_FLAG : DM_NOFLUSH_FLAG;
	rc = dmu_dm_call_run(&call, DM_TABLE_STATUS);
	if (!rc)
		rc = dmu_dm_call_row(&call, text, len);
	dmu_dm_call_end(&call);
	return rc;
}
