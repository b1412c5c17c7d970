// SPDX-License-Identifier: GPL-2.0-or-later
/* P4: the serve loop, over a control node and a backend in memory: its threads come and go. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/fake_store.h"

static int do_nothing(void *arg)
{
	return 0;
}

static void nothing_is_read_before_go(void **state)
{
	uint64_t seq;

	create(2);
	assert_int_equal(dmu_server_running(server), 0);
	seq = fake_push(1, DM_USER_REQ_MAP_FLUSH, 0, 0, 0, NULL);
	/* Each thread makes the call while it waits for go, so no thread reads. */
	assert_int_equal(dmu_server_each(server, do_nothing, NULL), 0);
	assert_int_equal(store.calls, 0);
	dmu_server_go(server);
	assert_int_equal(dmu_server_running(server), 2);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_SUCCESS);
	finish();
}

static void a_server_that_never_ran_can_be_destroyed(void **state)
{
	create(3);
	assert_int_equal(dmu_server_destroy(server), 0);
}

/* The threads that were called, one at a time, so there is no lock. */
struct calls {
	pthread_t threads[8];
	unsigned int count;
	int rc;
};

static int call(void *arg)
{
	struct calls *calls = arg;

	calls->threads[calls->count++] = pthread_self();
	return calls->count == 2 ? calls->rc : 0;
}

static void each_thread_is_called_once_before_go(void **state)
{
	struct calls calls = { .rc = 0 };
	unsigned int i, j;

	create(3);
	assert_int_equal(dmu_server_each(server, call, &calls), 0);
	assert_int_equal(calls.count, 3);
	for (i = 0; i < 3; i++) {
		assert_false(pthread_equal(calls.threads[i], pthread_self()));
		for (j = 0; j < i; j++)
			assert_false(pthread_equal(calls.threads[i], calls.threads[j]));
	}
	calls = (struct calls){ .rc = -EPERM };
	assert_int_equal(dmu_server_each(server, call, &calls), -EPERM);
	assert_int_equal(calls.count, 3);
	dmu_server_go(server);
	assert_int_equal(dmu_server_each(server, call, &calls), -EBUSY);
	assert_int_equal(calls.count, 3);
	check_read(1, 0, SECTOR);
	finish();
}

static void a_running_server_is_not_destroyed(void **state)
{
	start(2);
	assert_int_equal(dmu_server_destroy(server), -EBUSY);
	check_read(1, 0, SECTOR);
	finish();
}

static void drained_threads_answer_what_they_hold(void **state)
{
	uint64_t seq;

	start(2);
	store_hold(true);
	seq = fake_push(0, DM_USER_REQ_MAP_FLUSH, 0, 0, 0, NULL);
	store_wait_held(1);
	fake_drain(true);
	wait_running(1);
	assert_int_equal(dmu_server_destroy(server), -EBUSY);
	store_hold(false);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_SUCCESS);
	wait_running(0);
	assert_int_equal(dmu_server_result(server), 0);
	finish();
}

static void an_undone_drain_serves_again(void **state)
{
	start(3);
	check_read(2, 0, SECTOR);
	fake_drain(true);
	wait_running(0);
	fake_drain(false);
	dmu_server_resume(server);
	assert_int_equal(dmu_server_running(server), 3);
	check_read(0, 0, SECTOR);
	check_read(1, 0, SECTOR);
	check_read(2, 0, SECTOR);
	finish();
}

/* A thread whose read gave 0, and that does not wait yet, must not miss the resume. */
static void no_resume_is_missed(void **state)
{
	unsigned int i;

	start(2);
	for (i = 0; i < 1000; i++) {
		fake_drain(true);
		if (i % 3 == 1)
			wait_running(0);
		else if (i % 3)
			usleep(i % 50);
		fake_drain(false);
		dmu_server_resume(server);
		check_read(i % 2, i, SECTOR);
		assert_int_equal(dmu_server_running(server), 2);
	}
	finish();
}

static void a_target_that_is_gone_ends_every_thread(void **state)
{
	start(4);
	check_read(3, 0, SECTOR);
	fake_vanish();
	wait_running(0);
	assert_int_equal(dmu_server_result(server), -ENOTBLK);
	assert_int_equal(dmu_server_destroy(server), 0);
}

static void a_target_gone_under_an_answer_ends_the_thread(void **state)
{
	start(1);
	store_hold(true);
	fake_push(0, DM_USER_REQ_MAP_READ, 0, 0, SECTOR, NULL);
	store_wait_held(1);
	fake_vanish();
	store_hold(false);
	wait_running(0);
	assert_int_equal(dmu_server_result(server), -ENOTBLK);
	assert_int_equal(dmu_server_destroy(server), 0);
}

static void a_failed_thread_leaves_the_others_alone(void **state)
{
	start(2);
	fake_fail_reads(1, -EIO, 1);
	wait_running(1);
	assert_int_equal(dmu_server_result(server), -EIO);
	check_read(0, 0, SECTOR);
	dmu_server_resume(server);
	assert_int_equal(dmu_server_running(server), 1);
	fake_drain(true);
	wait_running(0);
	assert_int_equal(dmu_server_result(server), -EIO);
	assert_int_equal(dmu_server_destroy(server), 0);
	fake_finish();
}

static void a_failed_thread_gives_its_channel_up(void **state)
{
	int first;

	start(2);
	first = dmu_server_channel(server);
	fake_fail_reads(0, -EIO, 1);
	wait_running(1);
	assert_int_not_equal(dmu_server_channel(server), first);
	fake_drain(true);
	wait_running(0);
	assert_int_equal(dmu_server_destroy(server), 0);
	assert_int_equal(fcntl(first, F_GETFD), -1);
	fake_finish();
}

static void channels_are_closed_by_destroy(void **state)
{
	int fd;

	start(1);
	fd = dmu_server_channel(server);
	finish();
	assert_int_equal(lseek(fd, 0, SEEK_CUR), -1);
	assert_int_equal(errno, EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_read_before_go, setup),
		cmocka_unit_test_setup(a_server_that_never_ran_can_be_destroyed, setup),
		cmocka_unit_test_setup(each_thread_is_called_once_before_go, setup),
		cmocka_unit_test_setup(a_running_server_is_not_destroyed, setup),
		cmocka_unit_test_setup(drained_threads_answer_what_they_hold, setup),
		cmocka_unit_test_setup(an_undone_drain_serves_again, setup),
		cmocka_unit_test_setup(no_resume_is_missed, setup),
		cmocka_unit_test_setup(a_target_that_is_gone_ends_every_thread, setup),
		cmocka_unit_test_setup(a_target_gone_under_an_answer_ends_the_thread, setup),
		cmocka_unit_test_setup(a_failed_thread_leaves_the_others_alone, setup),
		cmocka_unit_test_setup(a_failed_thread_gives_its_channel_up, setup),
		cmocka_unit_test_setup(channels_are_closed_by_destroy, setup),
	};

	return cmocka_run_group_tests_name("steer", tests, NULL, NULL);
}
