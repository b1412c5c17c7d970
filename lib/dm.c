// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Device-mapper by ioctl, for programs that must be static: libdevmapper has no archive. Source of
 * the format: <linux/dm-ioctl.h>.
 *
 * udev: events carry DM_UDEV_PRIMARY_SOURCE_FLAG and no cookie, as libdevmapper sends them without
 * udev synchronisation. So udev's rules take the device for a real one (systemd would unmount it
 * otherwise), and nobody waits for udev, which in an initramfs may not run at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/dmuser.h"

#define CONTROL		"/dev/mapper/control"
#define TARGET		"user"
#define COMPAT_PARAMETER	"/sys/module/dm_user/parameters/compat"
#define COMPAT_MINOR	1	/* since target version 1.1 */
#define BUFFER_BYTES	16384
/* libdevmapper.h: DM_UDEV_PRIMARY_SOURCE_FLAG << DM_UDEV_FLAGS_SHIFT */
#define UDEV_PRIMARY	(0x0040U << 16)
#define REMOVE_TRIES	50
#define REMOVE_WAIT_US	20000

/* One command: the header, then what belongs to it. */
union request {
	struct dm_ioctl dm;
	char bytes[BUFFER_BYTES];
};

static void *payload_of(union request *request)
{
	return request->bytes + request->dm.data_start;
}

static void prepare(union request *request, const char *name)
{
	memset(request, 0, sizeof(*request));
	/* 4.0.0: the kernel takes every version that is not newer than its own. */
	request->dm.version[0] = DM_VERSION_MAJOR;
	request->dm.data_size = sizeof(*request);
	request->dm.data_start = sizeof(request->dm);
	snprintf(request->dm.name, sizeof(request->dm.name), "%s", name);
}

static int control_open(void)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int command(int control, unsigned long number, union request *request)
{
	return ioctl(control, number, request) < 0 ? -errno : 0;
}

/* ---- the node in /dev/mapper ---- */

static void node_path(char *path, size_t len, const char *name)
{
	snprintf(path, len, "/dev/mapper/%s", name);
}

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

	node_path(path, sizeof(path), name);
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

/* Take away a link or node that names the device no more. */
static void node_remove(const char *name, uint64_t dev)
{
	char path[sizeof("/dev/mapper/") + DM_NAME_LEN], target[32], text[32] = "";
	struct stat st;

	node_path(path, sizeof(path), name);
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

/* ---- steps of creation; @request is theirs to use ---- */

/* *@has_compat: its rows may say compat:. */
static int check_target(int control, union request *request, bool *has_compat, char *error,
			size_t len)
{
	const struct dm_target_versions *target;
	int rc;

	prepare(request, "");
	rc = command(control, DM_VERSION, request);
	if (rc == -EINVAL) {
		snprintf(error, len, "device-mapper of another version (%u.%u): %s",
			 request->dm.version[0], request->dm.version[1], strerror(-rc));
		return rc;
	}
	if (rc) {
		snprintf(error, len, "cannot ask device-mapper for its version: %s", strerror(-rc));
		return rc;
	}
	/* Asks for the module "dm-user", too. */
	prepare(request, TARGET);
	rc = command(control, DM_GET_TARGET_VERSION, request);
	if (rc == -EINVAL) {
		snprintf(error, len,
			 "the kernel has no device-mapper target '" TARGET
			 "' (is the module dm-user loaded?)");
		return -ENOENT;
	}
	if (rc) {
		snprintf(error, len, "cannot ask for the target '%s': %s", TARGET, strerror(-rc));
		return rc;
	}
	target = payload_of(request);
	*has_compat = target->version[0] > 1 || target->version[1] >= COMPAT_MINOR;
	return 0;
}

static int create_device(int control, union request *request, const char *name, bool read_only,
			 char *error, size_t len)
{
	int rc;

	prepare(request, name);
	snprintf(request->dm.uuid, sizeof(request->dm.uuid), DMU_UUID_PREFIX "%s", name);
	request->dm.flags = read_only ? DM_READONLY_FLAG : 0;
	rc = command(control, DM_DEV_CREATE, request);
	if (rc == -EBUSY) {
		snprintf(error, len, "device name '%s' is in use", name);
		return -EEXIST;
	}
	if (rc)
		snprintf(error, len, "cannot create device '%s': %s", name, strerror(-rc));
	return rc;
}

/*
 * "compat:none" if rows that do not say are Android's, or may be, as there is no /sys yet: policies
 * of ours are not to change with a parameter of the module.
 */
static const char *compat_arg(const char *args, bool has_compat)
{
	char text[16] = "";
	ssize_t len = 0;
	int fd;

	if (!has_compat || strstr(args, "compat:"))
		return "";
	fd = open(COMPAT_PARAMETER, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	return len > 0 && !strcmp(text, "none\n") ? "" : "compat:none";
}

static unsigned int count_words(const char *text)
{
	unsigned int n = 0;

	for (; *(text += strspn(text, " ")); text += strcspn(text, " "))
		n++;
	return n;
}

static int load_table(int control, union request *request, const char *name, const char *ctl,
		      uint64_t sectors, const char *compat, const char *args, bool read_only,
		      char *error, size_t len)
{
	unsigned int words = count_words(args) + !!*compat;
	struct dm_target_spec *spec;
	size_t room;
	char *row;
	int n, rc;

	prepare(request, name);
	request->dm.target_count = 1;
	request->dm.flags = read_only ? DM_READONLY_FLAG : 0;
	spec = payload_of(request);
	spec->length = sectors;
	memcpy(spec->target_type, TARGET, sizeof(TARGET));
	row = (char *)(spec + 1);
	room = request->bytes + sizeof(*request) - row;
	n = words ? snprintf(row, room, "0 0 %s %u %s%s%s", ctl, words, compat,
			     *compat && *args ? " " : "", args) :
		    snprintf(row, room, "0 0 %s", ctl);
	if (n < 0 || (size_t)n >= room) {
		snprintf(error, len, "table row of '%s' is too long", name);
		return -E2BIG;
	}
	spec->next = (sizeof(*spec) + n + 1 + 7) / 8 * 8;
	rc = command(control, DM_TABLE_LOAD, request);
	if (rc)
		snprintf(error, len,
			 "the kernel refuses the table row '0 %llu " TARGET
			 " %s': %s (the kernel log says why)",
			 (unsigned long long)sectors, row, strerror(-rc));
	return rc;
}

static int resume_device(int control, union request *request, const char *name, char *error,
			 size_t len)
{
	int rc;

	prepare(request, name);
	request->dm.event_nr = UDEV_PRIMARY;
	rc = command(control, DM_DEV_SUSPEND, request);	/* without DM_SUSPEND_FLAG: resume */
	if (rc)
		snprintf(error, len, "cannot start device '%s': %s", name, strerror(-rc));
	return rc;
}

/*
 * The request is about the device that was created as @name: it may have been renamed. One that
 * somebody else has created has no such UUID.
 */
static void prepare_for(int control, union request *request, const char *name)
{
	char now[DM_NAME_LEN];

	prepare(request, "");
	snprintf(request->dm.uuid, sizeof(request->dm.uuid), DMU_UUID_PREFIX "%s", name);
	snprintf(now, sizeof(now), "%s",
		 command(control, DM_DEV_STATUS, request) ? name : request->dm.name);
	prepare(request, now);
}

static int remove_device(int control, union request *request, const char *name)
{
	char now[DM_NAME_LEN];
	uint64_t dev;
	int rc;

	prepare_for(control, request, name);
	rc = command(control, DM_DEV_STATUS, request);
	if (rc)
		return rc;
	dev = request->dm.dev;
	snprintf(now, sizeof(now), "%s", request->dm.name);
	prepare(request, now);
	request->dm.event_nr = UDEV_PRIMARY;
	rc = command(control, DM_DEV_REMOVE, request);
	if (!rc)
		node_remove(now, dev);
	return rc;
}

int dmu_dm_create(const char *name, const char *ctl, uint64_t sectors, const char *args,
		  bool read_only, char *error, size_t len)
{
	union request *request;
	bool has_compat;
	int control, rc;

	if (!dmu_name_valid(name) || !dmu_name_valid(ctl)) {
		snprintf(error, len, "'%.80s' is no name for a device",
			 dmu_name_valid(name) ? ctl : name);
		return -EINVAL;
	}
	control = control_open();
	if (control < 0) {
		snprintf(error, len, "cannot open " CONTROL ": %s%s", strerror(-control),
			 control == -ENOENT || control == -ENODEV ?
				 " (are the modules dm-mod and dm-user loaded?)" :
				 "");
		return control;
	}
	rc = -ENOMEM;
	snprintf(error, len, "out of memory");
	request = malloc(sizeof(*request));
	if (!request)
		goto close_control;
	rc = check_target(control, request, &has_compat, error, len);
	if (!rc)
		rc = create_device(control, request, name, read_only, error, len);
	if (rc)
		goto free_request;
	rc = load_table(control, request, name, ctl, sectors, compat_arg(args, has_compat), args,
			read_only, error, len);
	if (!rc)
		rc = resume_device(control, request, name, error, len);
	if (!rc) {
		rc = node_make(name, request->dm.dev);
		if (rc)
			snprintf(error, len, "cannot make /dev/mapper/%s: %s", name, strerror(-rc));
	}
	if (rc)
		remove_device(control, request, name);
free_request:
	free(request);
close_control:
	close(control);
	if (!rc && len)
		*error = '\0';
	return rc;
}

/* ---- one command each ---- */

int dmu_dm_remove(const char *name)
{
	union request *request;
	int control, tries, rc;

	control = control_open();
	if (control < 0)
		return control;
	request = malloc(sizeof(*request));
	rc = request ? -EBUSY : -ENOMEM;
	/* Programs that udev starts for a new device have it open for a moment. */
	for (tries = 0; rc == -EBUSY && tries < REMOVE_TRIES; tries++) {
		if (tries)
			usleep(REMOVE_WAIT_US);
		rc = remove_device(control, request, name);
	}
	free(request);
	close(control);
	return rc;
}

struct call {
	int control;
	union request *request;
};

/* For one command about @name. 0 or -errno; to be ended by call_end(), if 0. */
static int call_begin(struct call *call, const char *name)
{
	call->control = control_open();
	if (call->control < 0)
		return call->control;
	call->request = malloc(sizeof(*call->request));
	if (!call->request) {
		close(call->control);
		return -ENOMEM;
	}
	prepare_for(call->control, call->request, name);
	return 0;
}

static void call_end(struct call *call)
{
	free(call->request);
	close(call->control);
}

int dmu_dm_number(const char *name, dev_t *number)
{
	struct call call;
	int rc = call_begin(&call, name);

	if (rc)
		return rc;
	rc = command(call.control, DM_DEV_STATUS, call.request);
	*number = rc ? 0 : call.request->dm.dev;
	call_end(&call);
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
	struct call call;
	int rc;

	if (sizeof(struct dm_ioctl) + sizeof(*target) + size > sizeof(*call.request))
		return -E2BIG;
	rc = call_begin(&call, name);
	if (rc)
		return rc;
	target = payload_of(call.request);
	target->sector = 0;
	memcpy(target->message, message, size);
	rc = command(call.control, DM_TARGET_MSG, call.request);
	call_end(&call);
	return rc;
}

/* In @request, as the kernel has filled it. */
static int status_text(const union request *request, char *text, size_t len)
{
	const struct dm_target_spec *spec = (const void *)(request->bytes + request->dm.data_start);
	const char *params = (const char *)(spec + 1);
	size_t room;

	if (request->dm.flags & DM_BUFFER_FULL_FLAG)
		return -ENOSPC;
	if (!request->dm.target_count)
		return -ENODATA;
	if (strcmp(spec->target_type, TARGET))
		return -EMEDIUMTYPE;
	room = request->bytes + sizeof(*request) - params;
	if (strnlen(params, room) >= len)
		return -ENOSPC;
	snprintf(text, len, "%.*s", (int)room, params);
	return 0;
}

int dmu_dm_status(const char *name, bool table, char *text, size_t len)
{
	struct call call;
	int rc = call_begin(&call, name);

	if (rc)
		return rc;
	call.request->dm.flags = table ? DM_STATUS_TABLE_FLAG : DM_NOFLUSH_FLAG;
	rc = command(call.control, DM_TABLE_STATUS, call.request);
	if (!rc)
		rc = status_text(call.request, text, len);
	call_end(&call);
	return rc;
}
