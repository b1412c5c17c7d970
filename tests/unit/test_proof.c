// SPDX-License-Identifier: GPL-2.0-or-later
/* P8: a second stage refuses to serve if its confinement is wrong, and names the difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "second_stage/walls.h"

static const char good[] =
	"Name:\tdmuser-second\nVmSize:\t    8000 kB\nVmLck:\t    7972 kB\nThreads:\t5\n"
	"CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
	"CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"
	"Seccomp_filters:\t1\nSpeculation_Store_Bypass:\tvulnerable\n";

static struct dmu_confinement confinement;
static char error[256];
static struct dmu_walls walls = {
	.confinement = &confinement, .error = error, .error_len = sizeof(error),
};

static int prove(const char *text, unsigned int threads, unsigned int filters)
{
	memset(&confinement, 0, sizeof(confinement));
	error[0] = '\0';
	return dmu_proof_status(&walls, text, threads, filters);
}

static void what_is_right_is_proved(void **state)
{
	assert_int_equal(prove(good, 5, 1), 0);
	assert_int_equal(confinement.proved,
			 DMU_WIRE_CONFINED_CAPABILITIES | DMU_WIRE_CONFINED_PRIVILEGES |
			 DMU_WIRE_CONFINED_SECCOMP | DMU_WIRE_CONFINED_MEMORY);
	assert_int_equal(confinement.filters, 1);
	assert_int_equal(confinement.locked_bytes, 7972 * 1024);
}

static void each_difference_is_refused_by_name(void **state)
{
	static const struct {
		const char *from, *to, *named;
	} rows[] = {
		{ "CapInh:\t0000000000000000", "CapInh:\t0000000000000001", "CapInh" },
		{ "CapPrm:\t0000000000000000", "CapPrm:\t0000000000200000", "CapPrm" },
		{ "CapEff:\t0000000000000000", "CapEff:\t0000000000000002", "CapEff" },
		{ "CapBnd:\t0000000000000000", "CapBnd:\t000001ffffffffff", "CapBnd" },
		{ "CapAmb:\t0000000000000000", "CapAmb:\t8000000000000000", "CapAmb" },
		{ "NoNewPrivs:\t1", "NoNewPrivs:\t0", "NoNewPrivs" },
		{ "Seccomp:\t2", "Seccomp:\t0", "Seccomp" },
		{ "Seccomp:\t2", "Seccomp:\t1", "Seccomp" },
		{ "Seccomp_filters:\t1", "Seccomp_filters:\t0", "Seccomp_filters" },
		{ "Seccomp_filters:\t1", "Seccomp_filters:\t2", "Seccomp_filters" },
		{ "Seccomp_filters:\t1\n", "", "Seccomp_filters" },
		{ "Threads:\t5", "Threads:\t6", "Threads" },
		{ "Threads:\t5", "Threads:\t4", "Threads" },
		{ "VmLck:\t    7972", "VmLck:\t    7900", "memory" },
		{ "VmLck:\t    7972", "VmLck:\t       0", "memory" },
		{ "VmLck:\t    7972 kB\n", "", "memory" },
		{ "CapEff:\t0000000000000000\n", "", "CapEff" },
	};
	char text[sizeof(good) + 64];
	const char *at;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		at = strstr(good, rows[i].from);
		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, rows[i].to,
			 at + strlen(rows[i].from));
		if (prove(text, 5, 1) != -EPERM)
			fail_msg("'%s' was accepted", rows[i].to);
		if (!strstr(error, rows[i].named))
			fail_msg("'%s': the error '%s' does not name %s", rows[i].to, error,
				 rows[i].named);
		/* The error goes to the other daemon, which takes only printable lines. */
		for (at = error; *at; at++)
			if (*at < ' ')
				fail_msg("'%s': the error has a control character", rows[i].to);
	}
	assert_int_equal(prove("", 5, 1), -EPERM);
}

static int fds(const char *open, const char *wanted)
{
	const char *const texts[] = { open, wanted };
	int lists[2][8], counts[2] = { 0, 0 }, which;
	char *end;

	for (which = 0; which < 2; which++) {
		const char *at = texts[which];

		while (*at) {
			lists[which][counts[which]++] = (int)strtol(at, &end, 10);
			at = end;
		}
	}
	error[0] = '\0';
	return dmu_proof_fds(&walls, lists[0], counts[0], lists[1], counts[1]);
}

static void descriptors_are_those_that_are_wanted(void **state)
{
	assert_int_equal(fds("0 1 2 5", "5 2 1 0"), 0);
	assert_int_equal(fds("", ""), 0);
	assert_int_equal(fds("0 1 2 5 7", "5 2 1 0"), -EPERM);
	assert_string_equal(error, "descriptor 7 should not be open");
	assert_int_equal(fds("0 1 2 4 5", "5 2 1 0"), -EPERM);
	assert_string_equal(error, "descriptor 4 should not be open");
	assert_int_equal(fds("0 1 5", "5 2 1 0"), -EPERM);
	assert_string_equal(error, "descriptor 2 is not open");
	assert_int_equal(fds("0 1 2", "5 2 1 0"), -EPERM);
	assert_string_equal(error, "descriptor 5 is not open");
	assert_int_equal(fds("3", ""), -EPERM);
	assert_int_equal(fds("", "3"), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_right_is_proved),
		cmocka_unit_test(each_difference_is_refused_by_name),
		cmocka_unit_test(descriptors_are_those_that_are_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
