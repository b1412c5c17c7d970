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
#include <limits.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
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
#define COMPAT_MINOR	1	/* since target version 1.1: compat: in its rows */
#define BACKING_MINOR	2	/* ...and backing: */
#define BUFFER_BYTES	16384
#define ROW_MAX		4096	/* of a row that we write, with the NUL */
#define BACKING		"backing:"
/* libdevmapper.h: DM_UDEV_PRIMARY_SOURCE_FLAG << DM_UDEV_FLAGS_SHIFT */
#define UDEV_PRIMARY	(0x0040U << 16)
#define BUSY_TRIES	50
#define BUSY_WAIT_MS	20

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

/* *@minor: of its version, 1.x; greatest if it is a later one. */
static int check_target(int control, union request *request, unsigned int *minor, char *error,
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
	*minor = target->version[0] > 1 ? UINT_MAX : target->version[1];
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
static const char *compat_arg(const char *args, unsigned int minor)
{
	char text[16] = "";
	ssize_t len = 0;
	int fd;

	if (minor < COMPAT_MINOR || strstr(args, "compat:"))
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

/* A table of one row, whose arguments are the words of @params. */
static int load_row(int control, union request *request, const char *name, uint64_t sectors,
		    const char *params, bool read_only, char *error, size_t len)
{
	struct dm_target_spec *spec;
	size_t size = strlen(params) + 1;
	int rc;

	prepare(request, name);
	request->dm.target_count = 1;
	request->dm.flags = read_only ? DM_READONLY_FLAG : 0;
	spec = payload_of(request);
	if (size > (size_t)(request->bytes + sizeof(*request) - (char *)(spec + 1))) {
		snprintf(error, len, "table row of '%s' is too long", name);
		return -E2BIG;
	}
	spec->length = sectors;
	memcpy(spec->target_type, TARGET, sizeof(TARGET));
	memcpy(spec + 1, params, size);
	spec->next = (sizeof(*spec) + size + 7) / 8 * 8;
	rc = command(control, DM_TABLE_LOAD, request);
	if (rc)
		snprintf(error, len,
			 "the kernel refuses the table row '0 %llu " TARGET
			 " %s': %s (the kernel log says why)",
			 (unsigned long long)sectors, params, strerror(-rc));
	return rc;
}

/* Add a word, or some, to a row. */
static void add_words(char *params, const char *words)
{
	size_t used = strlen(params);

	if (*words)
		snprintf(params + used, ROW_MAX - used, "%s%s", used ? " " : "", words);
}

static void add_backing(char *params, dev_t backing)
{
	char word[48];

	snprintf(word, sizeof(word), BACKING "%u:%u", major(backing), minor(backing));
	add_words(params, word);
}

static int load_table(int control, union request *request, const char *name,
		      const struct dmu_dm_row *row, bool claims, unsigned int minor, char *error,
		      size_t len)
{
	char args[ROW_MAX] = "", params[ROW_MAX];

	add_words(args, compat_arg(row->args, minor));
	add_words(args, row->args);
	if (claims)
		add_backing(args, row->backing);
	if ((size_t)snprintf(params, sizeof(params), "0 0 %s %u %s", row->ctl, count_words(args),
			     args) >= sizeof(params)) {
		snprintf(error, len, "table row of '%s' is too long", name);
		return -E2BIG;
	}
	return load_row(control, request, name, row->sectors, params, row->read_only, error, len);
}

/*
 * Another program has a device open for a moment: udev's, or one that tries whether a device is free. The
 * kernel tells nobody when it is closed, so the same is asked for again. False: it is no use.
 */
static bool busy_for_now(int rc, unsigned int *tries)
{
	if (rc != -EBUSY || ++*tries == BUSY_TRIES)
		return false;
	poll(NULL, 0, BUSY_WAIT_MS);
	return true;
}

/* With a claim on what it may claim. */
static int load_claiming_table(int control, union request *request, const char *name,
			       const struct dmu_dm_row *row, unsigned int minor, char *error,
			       size_t len)
{
	bool claims = row->backing && minor >= BACKING_MINOR;
	unsigned int tries = 0;
	int rc;

	do {
		rc = load_table(control, request, name, row, claims, minor, error, len);
	} while (claims && !row->read_only && busy_for_now(rc, &tries));
	if (rc == -EBUSY && claims && row->read_only)
		rc = load_table(control, request, name, row, false, minor, error, len);
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

int dmu_dm_create(const char *name, const struct dmu_dm_row *row, char *error, size_t len)
{
	union request *request;
	unsigned int minor;
	int control, rc;

	if (!dmu_name_valid(name) || !dmu_name_valid(row->ctl)) {
		snprintf(error, len, "'%.80s' is no name for a device",
			 dmu_name_valid(name) ? row->ctl : name);
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
	rc = check_target(control, request, &minor, error, len);
	if (!rc)
		rc = create_device(control, request, name, row->read_only, error, len);
	if (rc)
		goto free_request;
	rc = load_claiming_table(control, request, name, row, minor, error, len);
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

/* ---- what a table says ---- */

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

/* ---- one command each ---- */

int dmu_dm_remove(const char *name)
{
	union request *request;
	unsigned int tries = 0;
	int control, rc;

	control = control_open();
	if (control < 0)
		return control;
	request = malloc(sizeof(*request));
	do {
		rc = request ? remove_device(control, request, name) : -ENOMEM;
	} while (busy_for_now(rc, &tries));
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

/* ---- a claim, by another table ---- */

/* After a word of a row, in which a backslash escapes, and the blanks behind it. */
static const char *after_word(const char *at)
{
	while (*at && *at != ' ')
		at += at[0] == '\\' && at[1] ? 2 : 1;
	return at + strspn(at, " ");
}

/*
 * @row: that of @params, "IGNORED IGNORED CTL [<n> <arg>...]", with a claim on @backing. What it
 * was when it was loaded it says now, as the module's parameter may be another by now.
 */
static void change_claim(char *row, const char *params, bool android, dev_t backing)
{
	const char *count = after_word(after_word(after_word(params))), *arg;
	char args[ROW_MAX] = "", word[ROW_MAX];

	for (arg = after_word(count); *arg; arg = after_word(arg)) {
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg, " "), arg);
		if (strncmp(word, BACKING, strlen(BACKING)))
			add_words(args, word);
	}
	if (!strstr(args, "compat:"))
		add_words(args, android ? "compat:android" : "compat:none");
	add_backing(args, backing);
	snprintf(row, ROW_MAX, "%.*s", (int)(count - params), params);
	if (*count)
		row[strlen(row) - 1] = '\0';
	snprintf(word, sizeof(word), "%u", count_words(args));
	add_words(row, word);
	add_words(row, args);
}

static bool has_claim(const char *params, dev_t backing)
{
	unsigned int major, minor;
	const char *at = strstr(params, " " BACKING);

	return at && sscanf(at, " " BACKING "%u:%u", &major, &minor) == 2 &&
	       makedev(major, minor) == backing;
}

/* The table or the status of device @name, by @flags; what else is known of it is in @request then. */
static int read_text(const struct call *call, const char *name, uint32_t flags, char *text, size_t len)
{
	int rc;

	prepare(call->request, name);
	call->request->dm.flags = flags;
	rc = command(call->control, DM_TABLE_STATUS, call->request);
	return rc ? rc : status_text(call->request, text, len);
}

/* Is @row what waits for a resume? */
static bool row_waits(const struct call *call, const char *name, const char *row)
{
	char waiting[ROW_MAX];

	return !read_text(call, name, DM_STATUS_TABLE_FLAG | DM_QUERY_INACTIVE_TABLE_FLAG, waiting,
			  sizeof(waiting)) && !strcmp(waiting, row);
}

/* What was loaded, @row, goes live. If it cannot, all is as it was. */
static int swap_table(const struct call *call, const char *name, const char *row)
{
	int rc;

	prepare(call->request, name);
	call->request->dm.event_nr = UDEV_PRIMARY;
	call->request->dm.flags = DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG;
	rc = command(call->control, DM_DEV_SUSPEND, call->request);	/* suspends, and resumes */
	if (!rc)
		return 0;
	if (row_waits(call, name, row)) {
		prepare(call->request, name);
		command(call->control, DM_TABLE_CLEAR, call->request);
	}
	/* Then it was not suspended by us. */
	if (rc == -EINTR || rc == -EINVAL)
		return rc;
	prepare(call->request, name);
	command(call->control, DM_DEV_SUSPEND, call->request);
	return rc;
}

static int claim(const struct call *call, dev_t backing, bool read_only, char *error, size_t len)
{
	char name[DM_NAME_LEN], row[ROW_MAX], params[ROW_MAX - 128], status[ROW_MAX] = "";
	const struct dm_target_spec *spec = payload_of(call->request);
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
	/* One that waits is somebody's, unless another one of us died over it. */
	if (!(flags & DM_INACTIVE_PRESENT_FLAG)) {
		rc = load_row(call->control, call->request, name, sectors, row, read_only, error, len);
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
	unsigned int minor;
	struct call call;
	int rc = call_begin(&call, name);

	if (rc) {
		snprintf(error, len, "cannot ask device-mapper: %s", strerror(-rc));
		return rc;
	}
	rc = check_target(call.control, call.request, &minor, error, len);
	if (!rc && minor >= BACKING_MINOR) {
		prepare_for(call.control, call.request, name);
		rc = claim(&call, backing, read_only, error, len);
	}
	call_end(&call);
	return rc;
}
