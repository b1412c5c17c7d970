// SPDX-License-Identifier: GPL-2.0-or-later
/* P12: a log line is one write, short enough for kmsg, never two lines, and keeps errno. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/dmuser.h"

/* Datagrams keep the borders of writes. */
static int kmsg[2], stream[2];
static char line[4096];

static int setup(void **state)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, kmsg), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, stream), 0);
	dmu_log_open("tester", kmsg[1], stream[1]);
	return 0;
}

static int teardown(void **state)
{
	dmu_log_open("tester", -1, -1);
	close(kmsg[0]);
	close(kmsg[1]);
	close(stream[0]);
	close(stream[1]);
	return 0;
}

static ssize_t next(int fd)
{
	ssize_t n = read(fd, line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	return n;
}

static void one_write_a_line(void **state)
{
	dmu_log(DMU_LOG_ERR, "disk %d is %s", 3, "gone");
	next(kmsg[0]);
	assert_string_equal(line, "<3>tester: disk 3 is gone\n");
	assert_int_equal(next(kmsg[0]), -1);
	next(stream[0]);
	assert_string_equal(line, "tester: disk 3 is gone\n");
	assert_int_equal(next(stream[0]), -1);
}

static void an_event_has_its_fields(void **state)
{
	unsigned long long ms;
	int end = 0;

	dmu_log_event("drained", "root", 2, "last_seq=%d", 77);
	next(kmsg[0]);
	assert_int_equal(
		sscanf(line,
		       "<5>tester: event=drained name=root generation=2 ms=%llu last_seq=77%n", &ms,
		       &end),
		1);
	assert_string_equal(line + end, "\n");
	assert_true(ms <= dmu_now_ms() && ms + 10000 > dmu_now_ms());
	dmu_log_event("exit", "root", 2, NULL);
	next(kmsg[0]);
	assert_int_equal(sscanf(line, "<5>tester: event=exit name=root generation=2 ms=%llu%n", &ms,
				&end),
			 1);
	assert_string_equal(line + end, "\n");
}

static void a_long_line_is_cut_for_kmsg(void **state)
{
	char text[5000];
	size_t len;

	memset(text, 'a', sizeof(text));
	for (len = 900; len < sizeof(text); len += len < 1100 ? 1 : 500) {
		text[len] = '\0';
		dmu_log(DMU_LOG_INFO, "%s", text);
		assert_in_range(next(kmsg[0]), 900, 976);
		assert_true(!strcmp(line + strlen(line) - 4, "...\n") == (len > 947));
		next(stream[0]);
		assert_int_equal(line[strlen(line) - 1], '\n');
		text[len] = 'a';
	}
}

static void what_comes_from_outside_stays_in_its_line(void **state)
{
	dmu_log(DMU_LOG_INFO, "name '%s'", "a\n<0>b\033[2J\177\r");
	next(kmsg[0]);
	assert_string_equal(line, "<6>tester: name 'a?<0>b?[2J?" "?'\n");
}

static void errno_is_kept(void **state)
{
	dmu_log_open("tester", 9999, 9998);
	errno = ENOSPC;
	dmu_log(DMU_LOG_INFO, "lost");
	assert_int_equal(errno, ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_write_a_line, setup, teardown),
		cmocka_unit_test_setup_teardown(an_event_has_its_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_line_is_cut_for_kmsg, setup, teardown),
		cmocka_unit_test_setup_teardown(what_comes_from_outside_stays_in_its_line, setup,
						teardown),
		cmocka_unit_test_setup_teardown(errno_is_kept, setup, teardown),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
