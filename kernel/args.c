// SPDX-License-Identifier: GPL-2.0
/* The table row: IGNORED IGNORED CTL [<n> <arg>...]. */
#include <linux/ctype.h>
#include <linux/kdev_t.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "dmu.h"

#define DMU_FIXED_ARGS	3
/* dm_user_daemon_timeout_msec of Android's driver */
#define DMU_ANDROID_GRACE_MS	4000

bool dmu_compat_default;

static int dmu_parse_switch(const char *value, bool *on)
{
	if (!strcmp(value, "on"))
		*on = true;
	else if (!strcmp(value, "off"))
		*on = false;
	else
		return -EINVAL;
	return 0;
}

static int dmu_parse_size(const char *value, unsigned int min, unsigned int max, unsigned int *size)
{
	unsigned int n;

	if (kstrtouint(value, 10, &n) || n < min || n > max)
		return -EINVAL;
	*size = n;
	return 0;
}

static int dmu_parse_block_size(const char *value, unsigned int *size)
{
	unsigned int n;

	if (dmu_parse_size(value, SECTOR_SIZE, PAGE_SIZE, &n) || !is_power_of_2(n))
		return -EINVAL;
	*size = n;
	return 0;
}

static int dmu_set_orphans(struct dmu_config *config, const char *value)
{
	if (strcmp(value, "requeue") && strcmp(value, "fail"))
		return -EINVAL;
	config->orphans_fail = !strcmp(value, "fail");
	return 0;
}

static int dmu_set_nodaemon(struct dmu_config *config, const char *value)
{
	config->grace_ms = 0;
	if (!strcmp(value, "wait")) {
		config->nodaemon_fail = false;
		return 0;
	}
	config->nodaemon_fail = true;
	if (!str_has_prefix(value, "fail:"))
		return -EINVAL;
	return dmu_parse_size(value + strlen("fail:"), 0, INT_MAX, &config->nodaemon_ms);
}

static int dmu_set_nospace(struct dmu_config *config, const char *value)
{
	if (strcmp(value, "fail") && strcmp(value, "wait"))
		return -EINVAL;
	config->nospace_wait = !strcmp(value, "wait");
	return 0;
}

static int dmu_set_discard(struct dmu_config *config, const char *value)
{
	return dmu_parse_switch(value, &config->discard);
}

static int dmu_set_write_zeroes(struct dmu_config *config, const char *value)
{
	return dmu_parse_switch(value, &config->write_zeroes);
}

static int dmu_set_secure_erase(struct dmu_config *config, const char *value)
{
	return dmu_parse_switch(value, &config->secure_erase);
}

static int dmu_set_logical_block_size(struct dmu_config *config, const char *value)
{
	return dmu_parse_block_size(value, &config->logical_block_size);
}

static int dmu_set_physical_block_size(struct dmu_config *config, const char *value)
{
	return dmu_parse_block_size(value, &config->physical_block_size);
}

static int dmu_set_max_io(struct dmu_config *config, const char *value)
{
	return dmu_parse_size(value, PAGE_SIZE, SZ_16M, &config->max_io);
}

/*
 * A number, not a path: a path may name another device when the same row is loaded again. As DM
 * prints it: no blanks, no leading zeroes, no bits lost.
 */
static int dmu_parse_device(const char *value, size_t len, dev_t *dev)
{
	unsigned int major, minor;
	char text[24];

	if (sscanf(value, "%u:%u", &major, &minor) != 2)
		return -EINVAL;
	*dev = MKDEV(major, minor);
	snprintf(text, sizeof(text), "%u:%u", MAJOR(*dev), MINOR(*dev));
	return *dev && strlen(text) == len && !strncmp(text, value, len) ? 0 : -EINVAL;
}

static int dmu_set_backing(struct dmu_config *config, const char *value)
{
	size_t len;

	for (;;) {
		len = strchrnul(value, ',') - value;
		if (config->backing_count == DMU_BACKINGS_MAX ||
		    dmu_parse_device(value, len, &config->backings[config->backing_count]))
			return -EINVAL;
		config->backing_count++;
		if (!value[len])
			return 0;
		value += len + 1;
	}
}

static int dmu_set_extents(struct dmu_config *config, const char *value)
{
	/* A sector must fit in an index of the maple tree, a place on a disk in a value. */
	if (!IS_ENABLED(CONFIG_64BIT))
		return -EINVAL;
	config->extents_max = DMU_EXTENTS_DEFAULT;
	if (!strcmp(value, "on"))
		return 0;
	return dmu_parse_size(value, 1, INT_MAX, &config->extents_max);
}

static int dmu_set_mapped(struct dmu_config *config, const char *value)
{
	return dmu_parse_switch(value, &config->mapped);
}

/* Parse the value of compat: or of the module's parameter. 0 or -EINVAL. */
int dmu_compat_parse(const char *value, bool *android)
{
	*android = sysfs_streq(value, "android");
	return *android || sysfs_streq(value, "none") ? 0 : -EINVAL;
}

/* compat: sets the defaults of the other arguments: see dmu_config_set_compat(). */
static int dmu_set_compat(struct dmu_config *config, const char *value)
{
	return dmu_compat_parse(value, &config->android);
}

static const struct dmu_arg {
	const char *key;
	int (*set)(struct dmu_config *config, const char *value);
	char *error;
} dmu_args[] = {
	{ "compat:", dmu_set_compat, "compat: must be none or android" },
	{ "orphans:", dmu_set_orphans, "orphans: must be requeue or fail" },
	{ "nodaemon:", dmu_set_nodaemon, "nodaemon: must be wait or fail:MILLISECONDS" },
	{ "nospace:", dmu_set_nospace, "nospace: must be fail or wait" },
	{ "discard:", dmu_set_discard, "discard: must be on or off" },
	{ "write_zeroes:", dmu_set_write_zeroes, "write_zeroes: must be on or off" },
	{ "secure_erase:", dmu_set_secure_erase, "secure_erase: must be on or off" },
	{ "logical_block_size:", dmu_set_logical_block_size,
	  "logical_block_size: must be a power of two from 512 to the page size" },
	{ "physical_block_size:", dmu_set_physical_block_size,
	  "physical_block_size: must be a power of two from 512 to the page size" },
	{ "max_io:", dmu_set_max_io, "max_io: must be bytes, from the page size to 16777216" },
	{ "backing:", dmu_set_backing, "backing: must be the MAJOR:MINOR of a block device" },
	{ "extents:", dmu_set_extents,
	  "extents: must be on, or how many there can be; needs 64 bits" },
	{ "mapped:", dmu_set_mapped, "mapped: must be on or off" },
};

static int dmu_config_parse_arg(struct dmu_config *config, const char *arg, unsigned long *seen,
				char **error)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmu_args); i++) {
		size_t len = str_has_prefix(arg, dmu_args[i].key);

		if (!len)
			continue;
		if (__test_and_set_bit(i, seen)) {
			*error = "Argument given twice";
			return -EINVAL;
		}
		if (dmu_args[i].set(config, arg + len)) {
			*error = dmu_args[i].error;
			return -EINVAL;
		}
		return 0;
	}
	*error = "Unknown argument";
	return -EINVAL;
}

static int dmu_config_parse_optional(struct dmu_config *config, unsigned int argc, char **argv,
				     char **error)
{
	unsigned long seen = 0;
	unsigned int count, i;
	int ret;

	if (!argc)
		return 0;
	if (kstrtouint(argv[0], 10, &count) || count != argc - 1) {
		*error = "Number of optional arguments does not match";
		return -EINVAL;
	}
	for (i = 1; i < argc; i++) {
		ret = dmu_config_parse_arg(config, argv[i], &seen, error);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * Set the defaults of a row's arguments. Android's driver has no policies: it fails the requests
 * of a closed channel and, once its daemon has gone, all requests. It offers discard only.
 */
static void dmu_config_set_compat(struct dmu_config *config, unsigned int argc, char **argv)
{
	unsigned int i;

	config->android = READ_ONCE(dmu_compat_default);
	for (i = 0; i < argc; i++) {
		size_t len = str_has_prefix(argv[i], "compat:");

		/* dmu_config_parse_optional() reports a wrong value. */
		if (len)
			dmu_compat_parse(argv[i] + len, &config->android);
	}
	config->discard = true;
	config->write_zeroes = !config->android;
	config->orphans_fail = config->android;
	config->nodaemon_fail = config->android;
	config->grace_ms = config->android ? DMU_ANDROID_GRACE_MS : 0;
}

/* True for a name that is one path component and that sysfs and DM print unchanged. */
static bool dmu_ctl_valid(const char *ctl)
{
	const char *c;

	if (!*ctl || strlen(ctl) > DMU_NAME_MAX || !strcmp(ctl, ".") || !strcmp(ctl, ".."))
		return false;
	for (c = ctl; *c; c++)
		if (!isascii(*c) || !isgraph(*c) || strchr("/!\\", *c))
			return false;
	return true;
}

/* Join the arguments, escaped for DM, which splits at white space and unescapes backslashes. */
static char *dmu_row_join(unsigned int argc, char **argv)
{
	size_t size = 1;
	unsigned int i;
	const char *s;
	char *row, *p;

	for (i = 0; i < argc; i++)
		size += 2 * strlen(argv[i]) + 1;
	row = kmalloc(size, GFP_KERNEL);
	if (!row)
		return NULL;
	p = row;
	for (i = 0; i < argc; i++) {
		if (i)
			*p++ = ' ';
		for (s = argv[i]; *s; s++) {
			if (isspace(*s) || *s == '\\')
				*p++ = '\\';
			*p++ = *s;
		}
	}
	*p = '\0';
	return row;
}

/*
 * Fill @config from the arguments of a row. @config->ctl points into @argv. 0, -ENOMEM or -EINVAL;
 * on an error *@error says why, and there is nothing to free.
 */
int dmu_config_parse(struct dmu_config *config, unsigned int argc, char **argv, char **error)
{
	int ret;

	*config = (struct dmu_config) {
		.logical_block_size = SECTOR_SIZE,
		.max_io = DMU_MAX_IO_DEFAULT,
	};
	if (argc < DMU_FIXED_ARGS) {
		*error = "Needs three arguments: IGNORED IGNORED CTL";
		return -EINVAL;
	}
	config->ctl = argv[2];
	if (!dmu_ctl_valid(config->ctl)) {
		*error = "Invalid name of a control node";
		return -EINVAL;
	}
	dmu_config_set_compat(config, argc - DMU_FIXED_ARGS, argv + DMU_FIXED_ARGS);
	ret = dmu_config_parse_optional(config, argc - DMU_FIXED_ARGS, argv + DMU_FIXED_ARGS,
					error);
	if (ret)
		return ret;
	if (!config->physical_block_size)
		config->physical_block_size = config->logical_block_size;
	if (config->physical_block_size < config->logical_block_size) {
		*error = "physical_block_size is smaller than logical_block_size";
		return -EINVAL;
	}
	if (config->extents_max && !config->backing_count) {
		*error = "extents: needs backing:";
		return -EINVAL;
	}
	if (config->mapped && !config->extents_max) {
		*error = "mapped: needs extents:";
		return -EINVAL;
	}
	if (config->max_io % config->logical_block_size) {
		*error = "max_io is not a multiple of logical_block_size";
		return -EINVAL;
	}
	config->row = dmu_row_join(argc, argv);
	if (!config->row) {
		*error = "Cannot allocate memory";
		return -ENOMEM;
	}
	return 0;
}

void dmu_config_free(struct dmu_config *config)
{
	kfree(config->row);
}

/* True if extents that were made under @a are right under @b. */
bool dmu_config_same_backings(const struct dmu_config *a, const struct dmu_config *b)
{
	return a->backing_count == b->backing_count &&
	       !memcmp(a->backings, b->backings, sizeof(a->backings));
}

/* True if a live device can change from @a to @b, because DM keeps its queue limits. */
bool dmu_config_same_limits(const struct dmu_config *a, const struct dmu_config *b)
{
	return a->discard == b->discard && a->write_zeroes == b->write_zeroes &&
	       a->secure_erase == b->secure_erase &&
	       a->logical_block_size == b->logical_block_size &&
	       a->physical_block_size == b->physical_block_size && a->max_io == b->max_io;
}
