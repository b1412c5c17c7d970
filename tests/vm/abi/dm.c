// SPDX-License-Identifier: GPL-2.0-or-later
/* Device-mapper ioctls: what dmsetup does, from any thread, with the errno of each call. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "abi.h"

#define DM_BUFFER	16384

static int dm_run(unsigned long command, struct dm_ioctl *dmi)
{
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, command, dmi) < 0)
		err = -errno;
	close(fd);
	return err;
}

static struct dm_ioctl *dm_new(const char *name, uint32_t flags)
{
	struct dm_ioctl *dmi = calloc(1, DM_BUFFER);

	NEED(dmi, "allocate a struct dm_ioctl");
	dmi->version[0] = DM_VERSION_MAJOR;
	dmi->data_size = DM_BUFFER;
	dmi->data_start = sizeof(*dmi);
	dmi->flags = flags;
	snprintf(dmi->name, sizeof(dmi->name), "%s", name);
	return dmi;
}

static int dm_simple(unsigned long command, const char *name, uint32_t flags)
{
	struct dm_ioctl *dmi = dm_new(name, flags);
	int err = dm_run(command, dmi);

	free(dmi);
	return err;
}

int dm_create(const char *name)
{
	return dm_simple(DM_DEV_CREATE, name, 0);
}

/* Fill in one row; return the place of the next row. */
static struct dm_target_spec *dm_spec(struct dm_target_spec *spec, uint64_t start, uint64_t sectors,
				      const char *type, const char *params)
{
	spec->sector_start = start;
	spec->length = sectors;
	spec->next = sizeof(*spec) + ((strlen(params) + 8) & ~7UL);
	snprintf(spec->target_type, sizeof(spec->target_type), "%s", type);
	strcpy((char *)(spec + 1), params);
	return (void *)spec + spec->next;
}

int dm_load_at(const char *name, uint64_t start, uint64_t sectors, const char *type,
	       const char *params)
{
	struct dm_ioctl *dmi = dm_new(name, 0);
	struct dm_target_spec *spec = (void *)dmi + dmi->data_start;
	int err;

	dmi->target_count = start ? 2 : 1;
	if (start)
		spec = dm_spec(spec, 0, start, "error", "");
	dm_spec(spec, start, sectors, type, params);
	err = dm_run(DM_TABLE_LOAD, dmi);
	free(dmi);
	return err;
}

int dm_load(const char *name, uint64_t sectors, const char *type, const char *params)
{
	return dm_load_at(name, 0, sectors, type, params);
}

int dm_load_read_only(const char *name, uint64_t sectors, const char *type, const char *params)
{
	struct dm_ioctl *dmi = dm_new(name, DM_READONLY_FLAG);
	int err;

	dmi->target_count = 1;
	dm_spec((void *)dmi + dmi->data_start, 0, sectors, type, params);
	err = dm_run(DM_TABLE_LOAD, dmi);
	free(dmi);
	return err;
}

int dm_load_two(const char *name, uint64_t first, uint64_t second, const char *type,
		const char *first_params, const char *second_params)
{
	struct dm_ioctl *dmi = dm_new(name, 0);
	struct dm_target_spec *spec = (void *)dmi + dmi->data_start;
	int err;

	dmi->target_count = 2;
	spec = dm_spec(spec, 0, first, type, first_params);
	dm_spec(spec, first, second, type, second_params);
	err = dm_run(DM_TABLE_LOAD, dmi);
	free(dmi);
	return err;
}

int dm_suspend(const char *name, uint32_t flags)
{
	return dm_simple(DM_DEV_SUSPEND, name, flags | DM_SUSPEND_FLAG);
}

int dm_resume(const char *name, uint32_t flags)
{
	return dm_simple(DM_DEV_SUSPEND, name, flags);
}

int dm_remove(const char *name)
{
	return dm_simple(DM_DEV_REMOVE, name, 0);
}

int dm_minor(const char *name)
{
	struct dm_ioctl *dmi = dm_new(name, 0);
	int err = dm_run(DM_DEV_STATUS, dmi);

	if (!err)
		err = minor(dmi->dev);
	free(dmi);
	return err;
}

int dm_message(const char *name, const char *text)
{
	struct dm_ioctl *dmi = dm_new(name, 0);
	struct dm_target_msg *msg = (void *)dmi + dmi->data_start;
	int err;

	strcpy(msg->message, text);
	err = dm_run(DM_TARGET_MSG, dmi);
	free(dmi);
	return err;
}

int dm_ask(const char *name, const char *text, char *reply, size_t len)
{
	/* The answer begins where the kernel aligns it. */
	size_t start = (sizeof(struct dm_ioctl) + 7) & ~7UL, size = start + len;
	struct dm_ioctl *dmi = dm_new(name, 0);
	struct dm_target_msg *msg;
	int err;

	dmi = realloc(dmi, size > DM_BUFFER ? size : DM_BUFFER);
	NEED(dmi, "allocate a struct dm_ioctl");
	dmi->data_size = size;
	dmi->data_start = sizeof(*dmi);
	msg = (void *)dmi + dmi->data_start;
	/* Not 0: the answer comes where this is. */
	msg->sector = 1;
	strcpy(msg->message, text);
	err = dm_run(DM_TARGET_MSG, dmi);
	if (!err && dmi->flags & DM_BUFFER_FULL_FLAG)
		err = -ENOBUFS;
	if (!err && !(dmi->flags & DM_DATA_OUT_FLAG))
		err = -ENODATA;
	if (!err)
		snprintf(reply, len, "%s", (char *)dmi + dmi->data_start);
	free(dmi);
	return err;
}

int dm_status(const char *name, bool table, char *out, size_t len)
{
	struct dm_ioctl *dmi = dm_new(name, DM_NOFLUSH_FLAG | (table ? DM_STATUS_TABLE_FLAG : 0));
	int err = dm_run(DM_TABLE_STATUS, dmi);

	if (!err && !dmi->target_count)
		err = -ENXIO;
	if (!err)
		snprintf(out, len, "%s",
			 (char *)dmi + dmi->data_start + sizeof(struct dm_target_spec));
	free(dmi);
	return err;
}

long long dm_word(const char *name, const char *key)
{
	char status[4096], *at = status;
	int err = dm_status(name, false, status, sizeof(status));

	if (err)
		return err;
	while ((at = strstr(at, key))) {
		if (at == status || at[-1] == ' ')
			return strtoll(at + strlen(key), NULL, 10);
		at++;
	}
	return -ENOENT;
}

int dm_wipe(const char *name)
{
	char status[64];
	int err = dm_load(name, ABI_SECTORS, "error", "");

	if (err)
		return err;
	if (!dm_status(name, false, status, sizeof(status)))
		err = dm_suspend(name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG);
	return err ? err : dm_resume(name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG);
}

void dm_row(char *row, size_t len, const char *ctl, const char *args)
{
	unsigned int count = 0;

	for (const char *at = args ? args : ""; *at; at++)
		count += *at != ' ' && (at[1] == ' ' || !at[1]);
	if (count)
		snprintf(row, len, "0 0 %s %u %s", ctl, count, args);
	else
		snprintf(row, len, "0 0 %s", ctl);
}

void target_create_as(struct target *t, const char *name, const char *ctl, uint64_t sectors,
		      const char *args)
{
	char row[512], node[64];

	memset(t, 0, sizeof(*t));
	snprintf(t->name, sizeof(t->name), "%s", name);
	snprintf(t->ctl, sizeof(t->ctl), "%s", ctl);
	t->sectors = sectors;
	dm_row(row, sizeof(row), ctl, args);
	NEED(IS(dm_create(name), 0, "create %s", name), "dm_create()");
	NEED(IS(dm_load(name, sectors, "user", row), 0, "load %s: user %s", name, row),
	     "dm_load()");
	NEED(IS(dm_resume(name, 0), 0, "resume %s", name), "dm_resume()");
	snprintf(t->dev, sizeof(t->dev), "/dev/dm-%d", dm_minor(name));
	snprintf(node, sizeof(node), "/dev/dm-user/%s", ctl);
	NEED(UNTIL(!access(node, F_OK) && !access(t->dev, F_OK)), "%s and %s exist", node, t->dev);
}

void target_create(struct target *t, const char *args)
{
	target_create_as(t, ABI_NAME, ABI_CTL, ABI_SECTORS, args);
}

void target_remove(struct target *t)
{
	char node[64];

	IS(dm_remove(t->name), 0, "remove %s", t->name);
	snprintf(node, sizeof(node), "/dev/dm-user/%s", t->ctl);
	OK(UNTIL(access(node, F_OK) < 0), "%s disappears with its target", node);
}
