// SPDX-License-Identifier: GPL-2.0-or-later
/* Device-mapper by ioctl, from any thread, and the operations that use it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include <linux/dm-ioctl.h>

#include "fuzz.h"

#define DM_BYTES	(4 * FZ_PAGE)

static int control;

void fz_dm_init(void)
{
	control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		fz_stuck("/dev/mapper/control");
}

static struct dm_ioctl *dm_begin(struct fz_thread *t, unsigned int flags)
{
	struct dm_ioctl *dmi = (void *)t->dm;

	memset(dmi, 0, sizeof(*dmi));
	dmi->version[0] = DM_VERSION_MAJOR;
	dmi->data_size = DM_BYTES;
	dmi->data_start = sizeof(*dmi);
	dmi->flags = flags;
	strcpy(dmi->name, FZ_NAME);
	return dmi;
}

static int dm_run(struct fz_thread *t, unsigned long command)
{
	t->ops++;
	return ioctl(control, command, t->dm) < 0 ? -errno : 0;
}

static int dm_simple(struct fz_thread *t, unsigned long command, unsigned int flags)
{
	dm_begin(t, flags);
	return dm_run(t, command);
}

int fz_dm_create(struct fz_thread *t)
{
	return dm_simple(t, DM_DEV_CREATE, 0);
}

int fz_dm_load(struct fz_thread *t, uint64_t sectors, const char *type, const char *row)
{
	struct dm_ioctl *dmi = dm_begin(t, 0);
	struct dm_target_spec *spec = (void *)(dmi + 1);

	memset(spec, 0, sizeof(*spec));
	dmi->target_count = 1;
	spec->length = sectors;
	spec->next = sizeof(*spec) + ((strlen(row) + 8) & ~7UL);
	strcpy(spec->target_type, type);
	strcpy((char *)(spec + 1), row);
	return dm_run(t, DM_TABLE_LOAD);
}

int fz_dm_suspend(struct fz_thread *t, unsigned int flags)
{
	return dm_simple(t, DM_DEV_SUSPEND, flags | DM_SUSPEND_FLAG);
}

int fz_dm_resume(struct fz_thread *t, unsigned int flags)
{
	return dm_simple(t, DM_DEV_SUSPEND, flags);
}

int fz_dm_remove(struct fz_thread *t)
{
	return dm_simple(t, DM_DEV_REMOVE, 0);
}

/* Drop the inactive table. */
int fz_dm_clear(struct fz_thread *t)
{
	return dm_simple(t, DM_TABLE_CLEAR, 0);
}

int fz_dm_minor(struct fz_thread *t)
{
	int err = dm_simple(t, DM_DEV_STATUS, 0);

	return err ? err : (int)minor(((struct dm_ioctl *)t->dm)->dev);
}

int fz_dm_message(struct fz_thread *t, const char *text)
{
	struct dm_ioctl *dmi = dm_begin(t, 0);
	struct dm_target_msg *msg = (void *)(dmi + 1);

	msg->sector = 0;
	memcpy((char *)(msg + 1), text, strlen(text) + 1);
	return dm_run(t, DM_TARGET_MSG);
}

int fz_dm_status(struct fz_thread *t, char *out, size_t size)
{
	struct dm_ioctl *dmi = dm_begin(t, DM_NOFLUSH_FLAG);
	int err = dm_run(t, DM_TABLE_STATUS);

	if (!err && !dmi->target_count)
		err = -ENXIO;
	if (!err)
		snprintf(out, size, "%s", (char *)(dmi + 1) + sizeof(struct dm_target_spec));
	return err;
}

/* Load a table that fails all I/O, and resume; queued and held requests return to DM at once. */
int fz_dm_wipe(struct fz_thread *t)
{
	int err;

	fz_event_begin(&fz.fail);
	fz_event_begin(&fz.revoke);
	fz.wiped = fz.revoked = true;
	fz_queue_begin(t);
	err = fz_dm_load(t, fz_epoch.sectors, "error", "");
	if (!err)
		err = fz_dm_resume(t, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG);
	fz_queue_end(t);
	fz_event_end(&fz.revoke);
	fz_event_end(&fz.fail);
	return err;
}

void fz_run_message(struct fz_thread *t, const struct fz_op *op)
{
	char text[48];

	switch (op->b % 16) {
	case 0:
	case 1:
	case 2:
		fz_event_begin(&fz.fail);
		fz_event_begin(&fz.revoke);
		fz.revoked = true;
		fz_dm_message(t, "fail");
		fz_event_end(&fz.revoke);
		fz_event_end(&fz.fail);
		return;
	case 3:
		fz_dm_message(t, "seal");
		return;
	case 4:
	case 5:
		fz.drained = true;
		snprintf(text, sizeof(text), "drain %u", op->a % 8);
		fz_dm_message(t, text);
		return;
	case 6:
		fz_dm_message(t, op->a % 2 ? "drain" : "frain 1 2 3");
		return;
	default:
		fz_dm_message(t, "unseal");
	}
}

/* A flush waits for I/O in flight: only if another thread may answer it, or none is in flight. */
static bool may_flush(struct fz_thread *t, bool *blocked)
{
	*blocked = fz_block_begin(t);
	return *blocked || !fz_client_in_flight();
}

void fz_run_suspend(struct fz_thread *t, const struct fz_op *op)
{
	unsigned int flags = op->b & 1 ? DM_SKIP_LOCKFS_FLAG : 0;
	bool blocked = false;

	if (op->b & 6 || !may_flush(t, &blocked)) {
		fz_event_begin(&fz.revoke);
		fz.revoked = true;
		fz_queue_begin(t);
		fz_dm_suspend(t, flags | DM_NOFLUSH_FLAG);
		fz_queue_end(t);
		fz_event_end(&fz.revoke);
		return;
	}
	fz_dm_suspend(t, flags);
	if (blocked)
		fz_block_end(t);
}

/* An inactive table becomes the live one, after a suspend as the flags say. */
void fz_run_resume(struct fz_thread *t, const struct fz_op *op)
{
	unsigned int flags = op->b & 1 ? DM_SKIP_LOCKFS_FLAG : 0;
	bool blocked = false;

	if (op->b & 6 || !may_flush(t, &blocked)) {
		fz_event_begin(&fz.revoke);
		fz.revoked = true;
		fz_queue_begin(t);
		fz_dm_resume(t, flags | DM_NOFLUSH_FLAG);
		fz_queue_end(t);
		fz_event_end(&fz.revoke);
		return;
	}
	fz_dm_resume(t, flags);
	if (blocked)
		fz_block_end(t);
}

void fz_run_load(struct fz_thread *t, const struct fz_op *op)
{
	unsigned int which = op->b;
	uint64_t sectors;
	char row[256];

	if (op->a % 8 == 1) {
		fz_dm_clear(t);
		return;
	}
	if (!fz_epoch.policies)
		which &= ~7U;
	if (!fz_epoch.resizes)
		which &= ~0x70U;
	if (which & 0x77)
		fz.excused = true;
	fz_epoch_row(row, sizeof(row), which, &sectors);
	if (op->a % 8 == 2)
		strcat(row, " junk:1");
	if (op->a % 8 == 3)
		sectors++;
	fz_dm_load(t, sectors, "user", row);
}

void fz_run_status(struct fz_thread *t, const struct fz_op *op)
{
	dm_simple(t, op->b % 2 ? DM_TABLE_STATUS : DM_DEV_STATUS,
		  DM_NOFLUSH_FLAG | (op->b & 2 ? DM_STATUS_TABLE_FLAG : 0));
}

/* Calls that DM must refuse while the device is open. */
void fz_run_refused(struct fz_thread *t, const struct fz_op *op)
{
	int err;

	if (op->b % 2) {
		err = fz_dm_remove(t);
		if (err != -EBUSY)
			fz_broken(t, "remove of an open device: %d", err);
	} else {
		err = fz_dm_create(t);
		if (err != -EBUSY)
			fz_broken(t, "create of a device that exists: %d", err);
	}
}

/* Remove the node under its users, and make another of the same name. */
void fz_run_wipe(struct fz_thread *t, const struct fz_op *op)
{
	uint64_t sectors;
	char row[256];

	fz.stores = false;
	fz.excused = true;
	fz_dm_wipe(t);
	fz_epoch_row(row, sizeof(row), 0, &sectors);
	fz_dm_load(t, sectors, "user", row);
	fz_queue_begin(t);
	fz_dm_resume(t, DM_NOFLUSH_FLAG);
	fz_queue_end(t);
}
