/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device-mapper ioctls of dm.c, for dm_create.c and dm_claim.c. */
#ifndef DMUSER_DM_H
#define DMUSER_DM_H

#include <limits.h>
#include <linux/dm-ioctl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dmuser.h"

#define DMU_DM_CONTROL		"/dev/mapper/control"
#define DMU_DM_TARGET		"user"
#define DMU_DM_BUFFER_BYTES	16384
#define DMU_DM_ROW_MAX		4096	/* of a row that we write, with the NUL */
#define DMU_DM_BACKING		"backing:"
/* Minor versions of the target since which its rows may have these words. */
#define DMU_DM_COMPAT_MINOR	1	/* compat: */
#define DMU_DM_BACKING_MINOR	2	/* backing: */
#define DMU_DM_EXTENTS_MINOR	3	/* extents: */
/* libdevmapper.h: DM_UDEV_PRIMARY_SOURCE_FLAG << DM_UDEV_FLAGS_SHIFT */
#define DMU_DM_UDEV_PRIMARY	(0x0040U << 16)

/* One ioctl at a time: struct dm_ioctl, then its payload. */
struct dmu_dm_call {
	int control;			/* descriptor of DMU_DM_CONTROL */
	union dmu_dm_request {
		struct dm_ioctl dm;
		char bytes[DMU_DM_BUFFER_BYTES];
	} *request;
};

/* 0 or -errno. After 0, the caller ends with dmu_dm_call_end(). */
int dmu_dm_call_begin(struct dmu_dm_call *call);
void dmu_dm_call_end(struct dmu_dm_call *call);

/* The next ioctl is about device @name, as it is called now; "": about none. */
void dmu_dm_call_prepare(struct dmu_dm_call *call, const char *name);
/*
 * The next ioctl is about the device that was created as @name, and may have been renamed: its UUID
 * tells. A device that another program has created has no such UUID, and is found by its name.
 */
void dmu_dm_call_prepare_for(struct dmu_dm_call *call, const char *name);
/* Set the UUID of a device that was created as @name. */
void dmu_dm_call_set_uuid(struct dmu_dm_call *call, const char *name);
/* Payload of the next ioctl, or of the last one's answer. */
void *dmu_dm_call_payload(struct dmu_dm_call *call);
/* 0 or -errno. */
int dmu_dm_call_run(struct dmu_dm_call *call, unsigned long command);

/*
 * Is there the target? Loads the module dm-user. *@minor: the minor of its version 1.x; UINT_MAX of
 * a later version. 0, or -errno and @error.
 */
int dmu_dm_call_target(struct dmu_dm_call *call, unsigned int *minor, char *error, size_t len);
/*
 * Load a table of one row, whose arguments are the words of @params, for device @name, as it is
 * called now. 0, or -errno and @error.
 */
int dmu_dm_call_load(struct dmu_dm_call *call, const char *name, uint64_t sectors,
		     const char *params, bool read_only, char *error, size_t len);
/* The row in the last answer of DM_TABLE_STATUS. 0, or as dmu_dm_status(). */
int dmu_dm_call_row(struct dmu_dm_call *call, char *text, size_t len);
/* Remove the device that was created as @name, and its link or node in /dev/mapper. 0 or -errno. */
int dmu_dm_call_remove(struct dmu_dm_call *call, const char *name);

/*
 * Write the arguments of @row for the target of 1.@minor: "IGNORED IGNORED CTL <n> <arg>...". With
 * @claims, it claims its backing device. 0 or -E2BIG.
 */
int dmu_dm_row_params(char *params, size_t len, const struct dmu_dm_row *row, bool claims,
		      unsigned int minor);

/*
 * A program may have a device open for a moment: udev's, or one that tries whether a device is
 * free. The kernel tells no process of the close, so the same ioctl is tried again. False: @rc is
 * not -EBUSY, or this was the last try.
 */
bool dmu_dm_busy_for_now(int rc, unsigned int *tries);

/* Words of a row, of DMU_DM_ROW_MAX bytes. */
unsigned int dmu_dm_row_count(const char *row);
void dmu_dm_row_add(char *row, const char *words);
void dmu_dm_row_add_backing(char *row, uint64_t backing);

#endif
