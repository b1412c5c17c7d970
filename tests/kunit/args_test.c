// SPDX-License-Identifier: GPL-2.0
/* The table row: every argument, every mistake in it, and the row that status reproduces. */
#include <linux/slab.h>

#include "suites.h"

#define FIXED	"a", "b", "ctl"
#define ARGS	10

/* The number of words in @argv, which ends with NULL or is full. */
static unsigned int words(char *const *argv)
{
	unsigned int n = 0;

	while (n < ARGS && argv[n])
		n++;
	return n;
}

static const struct wrong {
	char *argv[ARGS];
	const char *error;
} wrong[] = {
	{ { NULL }, "Needs three arguments: IGNORED IGNORED CTL" },
	{ { "a", "b" }, "Needs three arguments: IGNORED IGNORED CTL" },
	{ { "a", "b", "" }, "Invalid name of a control node" },
	{ { "a", "b", "." }, "Invalid name of a control node" },
	{ { "a", "b", ".." }, "Invalid name of a control node" },
	{ { "a", "b", "x/y" }, "Invalid name of a control node" },
	{ { "a", "b", "/" }, "Invalid name of a control node" },
	{ { "a", "b", "x!y" }, "Invalid name of a control node" },
	{ { "a", "b", "x\\y" }, "Invalid name of a control node" },
	{ { "a", "b", "x y" }, "Invalid name of a control node" },
	{ { "a", "b", "x\ty" }, "Invalid name of a control node" },
	{ { "a", "b", "x\177" }, "Invalid name of a control node" },
	{ { "a", "b", "x\001" }, "Invalid name of a control node" },
	{ { "a", "b", "\303\244" }, "Invalid name of a control node" },

	{ { FIXED, "" }, "Number of optional arguments does not match" },
	{ { FIXED, "1" }, "Number of optional arguments does not match" },
	{ { FIXED, "0", "discard:on" }, "Number of optional arguments does not match" },
	{ { FIXED, "2", "discard:on" }, "Number of optional arguments does not match" },
	{ { FIXED, "-1" }, "Number of optional arguments does not match" },
	{ { FIXED, "x" }, "Number of optional arguments does not match" },
	{ { FIXED, "1x", "discard:on" }, "Number of optional arguments does not match" },
	{ { FIXED, "0x1", "discard:on" }, "Number of optional arguments does not match" },
	{ { FIXED, "4294967296" }, "Number of optional arguments does not match" },
	{ { FIXED, "4294967297", "discard:on" }, "Number of optional arguments does not match" },
	{ { FIXED, "discard:on" }, "Number of optional arguments does not match" },

	{ { FIXED, "1", "" }, "Unknown argument" },
	{ { FIXED, "1", "discard" }, "Unknown argument" },
	{ { FIXED, "1", "Discard:on" }, "Unknown argument" },
	{ { FIXED, "1", " discard:on" }, "Unknown argument" },
	{ { FIXED, "1", "colour:red" }, "Unknown argument" },
	{ { FIXED, "2", "discard:on", "max_io" }, "Unknown argument" },

	{ { FIXED, "1", "orphans:" }, "orphans: must be requeue or fail" },
	{ { FIXED, "1", "orphans:requeued" }, "orphans: must be requeue or fail" },
	{ { FIXED, "1", "orphans:Fail" }, "orphans: must be requeue or fail" },
	{ { FIXED, "1", "compat:" }, "compat: must be none or android" },
	{ { FIXED, "1", "compat:androi" }, "compat: must be none or android" },
	{ { FIXED, "1", "nodaemon:" }, "nodaemon: must be wait or fail:MILLISECONDS" },
	{ { FIXED, "1", "nodaemon:fail" }, "nodaemon: must be wait or fail:MILLISECONDS" },
	{ { FIXED, "1", "nodaemon:fail:" }, "nodaemon: must be wait or fail:MILLISECONDS" },
	{ { FIXED, "1", "nodaemon:fail:-1" }, "nodaemon: must be wait or fail:MILLISECONDS" },
	{ { FIXED, "1", "nodaemon:fail:1s" }, "nodaemon: must be wait or fail:MILLISECONDS" },
	{ { FIXED, "1", "nodaemon:wait:1" }, "nodaemon: must be wait or fail:MILLISECONDS" },
	{ { FIXED, "1", "nodaemon:fail:2147483648" },
	  "nodaemon: must be wait or fail:MILLISECONDS" },
	{ { FIXED, "1", "nodaemon:fail:4294967296" },
	  "nodaemon: must be wait or fail:MILLISECONDS" },
	{ { FIXED, "1", "nospace:" }, "nospace: must be fail or wait" },
	{ { FIXED, "1", "nospace:waits" }, "nospace: must be fail or wait" },
	{ { FIXED, "1", "discard:" }, "discard: must be on or off" },
	{ { FIXED, "1", "discard:yes" }, "discard: must be on or off" },
	{ { FIXED, "1", "write_zeroes:1" }, "write_zeroes: must be on or off" },
	{ { FIXED, "1", "secure_erase:ON" }, "secure_erase: must be on or off" },
	{ { FIXED, "1", "logical_block_size:" },
	  "logical_block_size: must be a power of two from 512 to the page size" },
	{ { FIXED, "1", "logical_block_size:256" },
	  "logical_block_size: must be a power of two from 512 to the page size" },
	{ { FIXED, "1", "logical_block_size:513" },
	  "logical_block_size: must be a power of two from 512 to the page size" },
	{ { FIXED, "1", "logical_block_size:1536" },
	  "logical_block_size: must be a power of two from 512 to the page size" },
	{ { FIXED, "1", "logical_block_size:1048576" },
	  "logical_block_size: must be a power of two from 512 to the page size" },
	{ { FIXED, "1", "logical_block_size:4294967808" },
	  "logical_block_size: must be a power of two from 512 to the page size" },
	{ { FIXED, "1", "physical_block_size:0" },
	  "physical_block_size: must be a power of two from 512 to the page size" },
	{ { FIXED, "1", "physical_block_size:1048576" },
	  "physical_block_size: must be a power of two from 512 to the page size" },
	{ { FIXED, "1", "max_io:" }, "max_io: must be bytes, from the page size to 16777216" },
	{ { FIXED, "1", "max_io:0" }, "max_io: must be bytes, from the page size to 16777216" },
	{ { FIXED, "1", "max_io:2048" },
	  "max_io: must be bytes, from the page size to 16777216" },
	{ { FIXED, "1", "max_io:16777217" },
	  "max_io: must be bytes, from the page size to 16777216" },
	{ { FIXED, "1", "max_io:1M" }, "max_io: must be bytes, from the page size to 16777216" },

	{ { FIXED, "1", "backing:" }, "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:8" }, "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:8:" }, "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:8:16x" }, "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:8:16:1" }, "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:/dev/sda" },
	  "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:0:0" }, "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:4096:0" }, "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:8:1048576" },
	  "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:-8:0" }, "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:8:0," }, "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:,8:0" }, "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:8:0,8:x" },
	  "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "backing:8:0,8:1,8:2,8:3,8:4" },
	  "backing: must be the MAJOR:MINOR of a block device" },
	{ { FIXED, "1", "extents:on" }, "extents: needs backing:" },
	{ { FIXED, "1", "mapped:yes" }, "mapped: must be on or off" },
	{ { FIXED, "2", "mapped:on", "backing:8:0" }, "mapped: needs extents:" },
	{ { FIXED, "2", "extents:off", "backing:8:0" },
	  "extents: must be on, or how many there can be; needs 64 bits" },
	{ { FIXED, "2", "extents:0", "backing:8:0" },
	  "extents: must be on, or how many there can be; needs 64 bits" },
	{ { FIXED, "1", "backing:4294967304:0" },
	  "backing: must be the MAJOR:MINOR of a block device" },

	{ { FIXED, "2", "logical_block_size:4096", "physical_block_size:512" },
	  "physical_block_size is smaller than logical_block_size" },
	{ { FIXED, "2", "physical_block_size:512", "logical_block_size:1024" },
	  "physical_block_size is smaller than logical_block_size" },
	{ { FIXED, "1", "max_io:65537" }, "max_io is not a multiple of logical_block_size" },
	{ { FIXED, "2", "logical_block_size:4096", "max_io:66048" },
	  "max_io is not a multiple of logical_block_size" },
};

static int parse(struct dmu_config *config, char *const *argv, char **error)
{
	/* A parse that fails leaves the caller nothing to free. */
	memset(config, 0xa5, sizeof(*config));
	*error = NULL;
	return dmu_config_parse(config, words(argv), (char **)argv, error);
}

static void refused(struct kunit *test)
{
	const struct wrong *row = test->param_value;
	struct dmu_config config;
	char *error;

	dmu_test_is(test, parse(&config, row->argv, &error), -EINVAL);
	KUNIT_EXPECT_STREQ(test, error, row->error);
}

static void describe(const struct wrong *row, char *desc)
{
	unsigned int i, count = words(row->argv);
	size_t at = 0;
	const char *c;

	*desc = '\0';
	for (i = 2; i < count; i++) {
		at += scnprintf(desc + at, KUNIT_PARAM_DESC_SIZE - at, "%s'", i > 2 ? " " : "");
		for (c = row->argv[i]; *c && at < KUNIT_PARAM_DESC_SIZE - 3; c++)
			desc[at++] = *c > ' ' && *c < 127 ? *c : '?';
		at += scnprintf(desc + at, KUNIT_PARAM_DESC_SIZE - at, "'");
	}
	if (!at)
		scnprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u arguments", count);
}

KUNIT_ARRAY_PARAM(wrong, wrong, describe);

/* Each argument may be given once. */
static void twice(struct kunit *test)
{
	static char *const args[] = {
		"orphans:fail", "nodaemon:wait", "discard:on", "write_zeroes:off",
		"secure_erase:on", "logical_block_size:512", "physical_block_size:4096",
		"max_io:65536", "backing:8:0", "nospace:wait",
	};
	struct dmu_config config;
	unsigned int i;
	char *error;

	for (i = 0; i < ARRAY_SIZE(args); i++) {
		char *argv[ARGS] = { FIXED, "2", args[i], args[i] };
		char *once[ARGS] = { FIXED, "2", args[i], args[(i + 1) % ARRAY_SIZE(args)] };

		dmu_test_is(test, parse(&config, argv, &error), -EINVAL);
		KUNIT_EXPECT_STREQ(test, error, "Argument given twice");
		/* Followed by another argument, it is given once. */
		if (!parse(&config, once, &error))
			dmu_config_free(&config);
		else
			KUNIT_FAIL(test, "%s: %s", args[i], error);
	}
}

static void defaults(struct kunit *test)
{
	static char *const rows[][ARGS] = { { FIXED }, { FIXED, "0" } };
	struct dmu_config config;
	unsigned int i;
	char *error;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		dmu_test_is(test, parse(&config, rows[i], &error), 0);
		KUNIT_EXPECT_STREQ(test, config.ctl, "ctl");
		KUNIT_EXPECT_STREQ(test, config.row, i ? "a b ctl 0" : "a b ctl");
		dmu_test_true(test, !config.orphans_fail && !config.nodaemon_fail);
		dmu_test_true(test, !config.nospace_wait);
		dmu_test_true(test, config.discard && config.write_zeroes && !config.secure_erase);
		dmu_test_is(test, config.logical_block_size, 512);
		dmu_test_is(test, config.physical_block_size, 512);
		dmu_test_is(test, config.max_io, SZ_1M);
		dmu_test_is(test, config.backing_count, 0);
		dmu_config_free(&config);
	}
}

static void every_argument(struct kunit *test)
{
	char *argv[] = {
		FIXED, "10", "max_io:16777216", "physical_block_size:2048",
		"logical_block_size:1024", "secure_erase:on", "write_zeroes:off", "discard:off",
		"nodaemon:fail:2147483647", "orphans:fail", "backing:8:1048575",
		"nospace:wait",
	};
	struct dmu_config config;
	char *error;

	memset(&config, 0xa5, sizeof(config));
	dmu_test_is(test, dmu_config_parse(&config, ARRAY_SIZE(argv), argv, &error), 0);
	dmu_test_true(test, config.orphans_fail && config.nodaemon_fail);
	dmu_test_is(test, config.nodaemon_ms, INT_MAX);
	dmu_test_true(test, config.nospace_wait);
	dmu_test_true(test, !config.discard && !config.write_zeroes && config.secure_erase);
	dmu_test_is(test, config.logical_block_size, 1024);
	dmu_test_is(test, config.physical_block_size, 2048);
	dmu_test_is(test, config.max_io, SZ_16M);
	dmu_test_is(test, config.backings[0], MKDEV(8, 1048575));
	KUNIT_EXPECT_STREQ(test, config.row,
			   "a b ctl 10 max_io:16777216 physical_block_size:2048 "
			   "logical_block_size:1024 secure_erase:on write_zeroes:off discard:off "
			   "nodaemon:fail:2147483647 orphans:fail backing:8:1048575 "
			   "nospace:wait");
	dmu_config_free(&config);
}

/* Android's policies hold unless another argument, before or after compat, sets its own. */
static void compat(struct kunit *test)
{
	static const struct {
		bool by_default;
		char *args[2];
		bool android, orphans_fail, nodaemon_fail, write_zeroes;
		unsigned int grace_ms;
	} rows[] = {
		{ false, {}, false, false, false, true, 0 },
		{ true, {}, true, true, true, false, 4000 },
		{ false, { "compat:android" }, true, true, true, false, 4000 },
		{ true, { "compat:none" }, false, false, false, true, 0 },
		{ true, { "discard:on" }, true, true, true, false, 4000 },
		{ false, { "compat:android", "orphans:requeue" }, true, false, true, false, 4000 },
		{ false, { "orphans:requeue", "compat:android" }, true, false, true, false, 4000 },
		{ false, { "nodaemon:wait", "compat:android" }, true, true, false, false, 0 },
		{ false, { "compat:android", "nodaemon:fail:10" }, true, true, true, false, 0 },
		{ true, { "write_zeroes:on" }, true, true, true, true, 4000 },
	};
	struct dmu_config config;
	unsigned int i;
	char *error;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		char *row[ARGS] = { FIXED };

		if (rows[i].args[0]) {
			row[3] = rows[i].args[1] ? "2" : "1";
			row[4] = rows[i].args[0];
			row[5] = rows[i].args[1];
		}
		dmu_compat_default = rows[i].by_default;
		dmu_test_is(test, parse(&config, row, &error), 0);
		if (config.android != rows[i].android ||
		    config.orphans_fail != rows[i].orphans_fail ||
		    config.nodaemon_fail != rows[i].nodaemon_fail ||
		    config.write_zeroes != rows[i].write_zeroes || !config.discard ||
		    config.grace_ms != rows[i].grace_ms)
			KUNIT_FAIL(test, "case %u", i);
		dmu_config_free(&config);
	}
	dmu_compat_default = false;
}

/* The other value of each argument, and the limits. */
static void other_values(struct kunit *test)
{
	static char page_size[32], max_io[32];
	char *argv[] = {
		FIXED, "8", "orphans:requeue", "nodaemon:fail:0", "discard:on", "write_zeroes:on",
		"secure_erase:off", page_size, "physical_block_size:4096", max_io,
	};
	struct dmu_config config;
	char *error;

	scnprintf(page_size, sizeof(page_size), "logical_block_size:%lu", PAGE_SIZE);
	scnprintf(max_io, sizeof(max_io), "max_io:%lu", PAGE_SIZE);
	memset(&config, 0xa5, sizeof(config));
	dmu_test_is(test, dmu_config_parse(&config, ARRAY_SIZE(argv), argv, &error), 0);
	dmu_test_true(test, !config.orphans_fail && config.nodaemon_fail);
	dmu_test_is(test, config.nodaemon_ms, 0);
	dmu_test_true(test, config.discard && config.write_zeroes && !config.secure_erase);
	dmu_test_is(test, config.logical_block_size, PAGE_SIZE);
	dmu_test_is(test, config.max_io, PAGE_SIZE);
	dmu_config_free(&config);
	argv[3] = "1";
	argv[4] = "logical_block_size:2048";
	dmu_test_is(test, dmu_config_parse(&config, 5, argv, &error), 0);
	dmu_test_is(test, config.physical_block_size, 2048);
	dmu_config_free(&config);
	argv[4] = "nodaemon:wait";
	dmu_test_is(test, dmu_config_parse(&config, 5, argv, &error), 0);
	dmu_test_true(test, !config.nodaemon_fail);
	dmu_config_free(&config);
}

/* White space is escaped: DM splits the reproduced row into the same words. */
static void row_is_escaped(struct kunit *test)
{
	char *argv[] = { "", "a b\\c\t", "ctl" };
	struct dmu_config config;
	char *error;

	dmu_test_is(test, dmu_config_parse(&config, ARRAY_SIZE(argv), argv, &error), 0);
	KUNIT_EXPECT_STREQ(test, config.row, " a\\ b\\\\c\\\t ctl");
	dmu_config_free(&config);
}

static void longest_name(struct kunit *test)
{
	char *name = kunit_kzalloc(test, DMU_NAME_MAX + 2, GFP_KERNEL);
	char *argv[] = { "a", "b", name };
	struct dmu_config config;
	char *error;

	KUNIT_ASSERT_NOT_NULL(test, name);
	memset(name, '~', DMU_NAME_MAX);
	dmu_test_is(test, dmu_config_parse(&config, ARRAY_SIZE(argv), argv, &error), 0);
	dmu_config_free(&config);
	name[DMU_NAME_MAX] = '~';
	dmu_test_is(test, dmu_config_parse(&config, ARRAY_SIZE(argv), argv, &error), -EINVAL);
	KUNIT_EXPECT_STREQ(test, error, "Invalid name of a control node");
	name[3] = '\0';
	name[0] = name[1] = name[2] = '.';
	dmu_test_is(test, dmu_config_parse(&config, ARRAY_SIZE(argv), argv, &error), 0);
	dmu_config_free(&config);
}

/* A reload may change the policies, but not the limits. */
static void same_limits(struct kunit *test)
{
	static char *const same[] = {
		"orphans:fail", "nodaemon:fail:10", "discard:on", "logical_block_size:512",
		"backing:8:0", "nospace:wait",
	};
	static char *const other[] = {
		"discard:off", "write_zeroes:off", "secure_erase:on", "logical_block_size:1024",
		"physical_block_size:4096", "max_io:65536",
	};
	struct dmu_config config, changed;
	char *row[ARGS] = { FIXED };
	unsigned int i;
	char *error;

	dmu_test_is(test, parse(&config, row, &error), 0);
	row[3] = "1";
	for (i = 0; i < ARRAY_SIZE(same) + ARRAY_SIZE(other); i++) {
		row[4] = i < ARRAY_SIZE(same) ? same[i] : other[i - ARRAY_SIZE(same)];
		dmu_test_is(test, parse(&changed, row, &error), 0);
		if (dmu_config_same_limits(&config, &changed) != (i < ARRAY_SIZE(same)))
			KUNIT_FAIL(test, "%s", row[4]);
		dmu_config_free(&changed);
	}
	dmu_config_free(&config);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(refused, wrong_gen_params),
	KUNIT_CASE(twice),
	KUNIT_CASE(defaults),
	KUNIT_CASE(every_argument),
	KUNIT_CASE(compat),
	KUNIT_CASE(other_values),
	KUNIT_CASE(row_is_escaped),
	KUNIT_CASE(longest_name),
	KUNIT_CASE(same_limits),
	{}
};

struct kunit_suite dmu_args_suite = {
	.name = "dmu_args",
	.test_cases = cases,
};
