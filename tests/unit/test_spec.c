// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * P12: the parsers of backend specifications and dmusertab lines take valid text, and refuse other
 * text by an error that names the mistake.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/dmuser.h"

static struct dmu_spec spec;
static char error[256];

static void accepts(const char *text)
{
	int rc = dmu_spec_parse(&spec, text, error, sizeof(error));

	if (rc)
		fail_msg("'%s' was refused: %s", text, error);
	assert_string_equal(spec.text, text);
}

static void refuses(const char *text, const char *named)
{
	memset(error, 'x', sizeof(error));
	assert_int_equal(dmu_spec_parse(&spec, text, error, sizeof(error)), -EINVAL);
	assert_non_null(memchr(error, '\0', sizeof(error)));
	assert_null(strchr(error, '\n'));
	if (!strstr(error, named))
		fail_msg("'%s': the error '%s' does not name '%s'", text, error, named);
}

static void defaults(void **state)
{
	accepts("file:/dev/vda");
	assert_string_equal(spec.backend, "file");
	assert_string_equal(spec.source, "/dev/vda");
	assert_false(spec.read_only);
	assert_int_equal(spec.cache, DMU_BUFFERED);
	assert_int_equal(spec.channels, 0);
	assert_string_equal(spec.table_args, "");
}

static void every_option(void **state)
{
	accepts("file:/a:b,ro,direct,channels=64,orphans=fail,nodaemon=fail:500,discard=off,"
		"max_io=65536");
	assert_string_equal(spec.source, "/a:b");
	assert_true(spec.read_only);
	assert_int_equal(spec.cache, DMU_DIRECT);
	assert_int_equal(spec.channels, 64);
	assert_string_equal(spec.table_args,
			    "orphans:fail nodaemon:fail:500 discard:off max_io:65536");
	accepts("file:/a,rw,buffered,channels=1,write_zeroes=off,secure_erase=on,"
		"logical_block_size=4096,physical_block_size=4096,orphans=requeue,nodaemon=wait");
	assert_false(spec.read_only);
	assert_int_equal(spec.cache, DMU_BUFFERED);
	assert_int_equal(spec.channels, 1);
}

static void extents_where_they_can_be(void **state)
{
	accepts("file:/a");
	assert_int_equal(spec.extents, DMU_EXTENTS_AUTO);
	accepts("file:/a,direct");
	assert_int_equal(spec.extents, DMU_EXTENTS_AUTO);
	accepts("file:/a,direct,extents=on");
	assert_int_equal(spec.extents, DMU_EXTENTS_ON);
	accepts("file:/a,extents=off");
	assert_int_equal(spec.extents, DMU_EXTENTS_NEVER);
	accepts("file:/a,buffered,extents=off");
	assert_int_equal(spec.extents, DMU_EXTENTS_NEVER);
	accepts("file:/a,buffered");
	assert_int_equal(spec.extents, DMU_EXTENTS_OFF);
	accepts("file:/a,nospace=wait");
	assert_int_equal(spec.extents, DMU_EXTENTS_OFF);
	accepts("file:/a,nospace=fail");
	assert_int_equal(spec.extents, DMU_EXTENTS_AUTO);
	refuses("file:/a,extents=1", "extents=1");
	refuses("file:/a,extents", "needs a value");
	refuses("file:/a,buffered,extents=on", "'buffered' and 'extents=on'");
	refuses("file:/a,extents=on,nospace=wait", "'nospace=wait' and 'extents=on'");
}

static void escapes_in_the_source(void **state)
{
	accepts("file:/a\\,b\\\\c\\ d,ro");
	assert_string_equal(spec.source, "/a,b\\c d");
	assert_true(spec.read_only);
	refuses("file:/a\\x", "\\x");
	refuses("file:/a\\", "escape");
}

static void shapes_that_are_none(void **state)
{
	refuses("", "BACKEND:SOURCE");
	refuses("file", "'file'");
	refuses("file,ro:/x", "'file,ro:/x'");
	refuses(":/x", "':/x'");
	refuses("file:", "no source after 'file:'");
	refuses("file:,ro", "no source");
	refuses("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz:/x",
		"unknown backend 'abcdef");
	refuses("../sbin/x:/y", "'../sbin/x' is not the name of a backend");
	refuses("File:/x", "'File' is not the name of a backend");
	refuses("file:/a b", "blank");
	refuses("file:/a\nb", "control character (code 10) at byte 7");
	refuses("file:/a\\\tb", "control character");
	refuses("file:/a\033[1m", "control character");
}

static void options_that_are_none(void **state)
{
	refuses("file:/x,", "empty option");
	refuses("file:/x,,ro", "empty option");
	refuses("file:/x,=1", "empty option");
	refuses("file:/x,fast", "unknown option 'fast'");
	refuses("file:/x,RO", "'RO'");
	refuses("file:/x,ro=1", "'ro' takes no value");
	refuses("file:/x,channels", "'channels' needs a value");
	refuses("file:/x,channels=", "'channels' needs a value");
	refuses("file:/x,channels=0", "channels=0");
	refuses("file:/x,channels=65", "channels=65");
	refuses("file:/x,channels=-1", "channels=-1");
	refuses("file:/x,channels=4x", "channels=4x");
	refuses("file:/x,channels=99999999999999999999", "channels=9999");
	refuses("file:/x,ro,rw", "'rw'");
	refuses("file:/x,direct,direct", "'direct'");
	refuses("file:/x,direct,buffered", "'buffered'");
	refuses("file:/x,orphans=fail,orphans=fail", "'orphans'");
}

static void table_arguments_that_are_none(void **state)
{
	refuses("file:/x,orphans=keep", "orphans=keep");
	refuses("file:/x,nospace=ask", "nospace=ask");
	refuses("file:/x,nodaemon=fail", "nodaemon=fail");
	refuses("file:/x,nodaemon=fail:", "nodaemon=fail:");
	refuses("file:/x,nodaemon=fail:1s", "nodaemon=fail:1s");
	refuses("file:/x,nodaemon=fail:4294967296", "nodaemon=fail:4294967296");
	refuses("file:/x,discard=1", "discard=1");
	refuses("file:/x,secure_erase=yes", "secure_erase=yes");
	refuses("file:/x,logical_block_size=256", "logical_block_size=256");
	refuses("file:/x,logical_block_size=1000", "logical_block_size=1000");
	refuses("file:/x,physical_block_size=8192", "physical_block_size=8192");
	refuses("file:/x,max_io=512", "max_io=512");
}

static void lengths_at_the_limit(void **state)
{
	char text[2 * DMU_SPEC_MAX];

	memset(text, 'a', sizeof(text));
	memcpy(text, "file:/", 6);
	text[DMU_SPEC_MAX - 1] = '\0';
	accepts(text);
	assert_int_equal(strlen(spec.source), DMU_SPEC_MAX - 6);
	text[DMU_SPEC_MAX - 1] = 'a';
	text[DMU_SPEC_MAX] = '\0';
	refuses(text, "longer than 1023 bytes");
	/* A short buffer gets a short error. */
	assert_int_equal(dmu_spec_parse(&spec, "file:/x,colour", error, 8), -EINVAL);
	assert_string_equal(error, "unknown");
}

/* ---- dmusertab ---- */

static char name[DMU_NAME_MAX + 1];

static int parse_line(const char *line)
{
	memset(error, 0, sizeof(error));
	return dmu_tab_parse_line(line, name, &spec, error, sizeof(error));
}

static void refuses_line(const char *line, const char *named)
{
	assert_int_equal(parse_line(line), -EINVAL);
	if (!strstr(error, named))
		fail_msg("'%s': the error '%s' does not name '%s'", line, error, named);
}

static void lines_with_nothing(void **state)
{
	assert_int_equal(parse_line(""), 0);
	assert_int_equal(parse_line("\n"), 0);
	assert_int_equal(parse_line(" \t \r\n"), 0);
	assert_int_equal(parse_line("# root file:/dev/vda\n"), 0);
	assert_int_equal(parse_line("  #root"), 0);
}

static void lines_with_a_device(void **state)
{
	assert_int_equal(parse_line("root file:/dev/vda\n"), 1);
	assert_string_equal(name, "root");
	assert_string_equal(spec.source, "/dev/vda");
	assert_int_equal(parse_line("\troot\t file:/dev/v#a   ro,direct  # the root\n"), 1);
	assert_string_equal(spec.source, "/dev/v#a");
	assert_true(spec.read_only);
	assert_string_equal(spec.text, "file:/dev/v#a,ro,direct");
	assert_int_equal(parse_line("a.b+c-d_1 file:/x\\ y,ro direct"), 1);
	assert_string_equal(name, "a.b+c-d_1");
	assert_string_equal(spec.source, "/x y");
	assert_true(spec.read_only);
	assert_int_equal(spec.cache, DMU_DIRECT);
}

static void lines_that_are_none(void **state)
{
	char line[2 * DMU_SPEC_MAX];

	refuses_line("root", "root: no BACKEND:SOURCE");
	refuses_line("root # file:/x", "root: no BACKEND:SOURCE");
	refuses_line("ro/ot file:/x", "bad name 'ro/ot'");
	refuses_line(".. file:/x", "bad name '..'");
	refuses_line("root file:/x ro again", "root: more than three fields");
	refuses_line("root file:/x fast", "unknown option 'fast'");
	refuses_line("root /dev/vda", "'/dev/vda' is not BACKEND:SOURCE");
	memset(line, 'a', sizeof(line));
	line[DMU_NAME_MAX + 1] = '\0';
	refuses_line(line, "bad name");
	line[DMU_NAME_MAX + 1] = 'a';
	line[sizeof(line) - 1] = '\0';
	refuses_line(line, "name longer");
	line[1] = ' ';
	refuses_line(line, "a: field longer than 1023 bytes");
}

static void names(void **state)
{
	char longest[DMU_NAME_MAX + 2];

	assert_true(dmu_name_valid("root"));
	assert_true(dmu_name_valid("..."));
	assert_false(dmu_name_valid(""));
	assert_false(dmu_name_valid("."));
	assert_false(dmu_name_valid("a/b"));
	assert_false(dmu_name_valid("a b"));
	assert_false(dmu_name_valid("\303\244"));
	memset(longest, 'n', sizeof(longest));
	longest[DMU_NAME_MAX] = '\0';
	assert_true(dmu_name_valid(longest));
	longest[DMU_NAME_MAX] = 'n';
	longest[DMU_NAME_MAX + 1] = '\0';
	assert_false(dmu_name_valid(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_option),
		cmocka_unit_test(extents_where_they_can_be),
		cmocka_unit_test(escapes_in_the_source),
		cmocka_unit_test(shapes_that_are_none),
		cmocka_unit_test(options_that_are_none),
		cmocka_unit_test(table_arguments_that_are_none),
		cmocka_unit_test(lengths_at_the_limit),
		cmocka_unit_test(lines_with_nothing),
		cmocka_unit_test(lines_with_a_device),
		cmocka_unit_test(lines_that_are_none),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("spec", tests, NULL, NULL);
}
