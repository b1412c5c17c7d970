// SPDX-License-Identifier: GPL-2.0-or-later
/* A child of a test dies of its own faults and runs no other case: see fork.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define WENT_ON	17

static pid_t suite;

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void a_child_dies_of_its_fault(void **state)
{
	static const int faults[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS, SIGABRT };
	size_t i;

	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			raise(faults[i]);
			_exit(0);
		}
		status = status_of(pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != faults[i])
			fail_msg("signal %d: status %#x", faults[i], status);
	}
}

static void a_child_dies_of_an_assertion(void **state)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		/* cmocka's message would look like a failure of this test. */
		close(STDERR_FILENO);
		close(STDOUT_FILENO);
		fail();
		_exit(0);
	}
	status = status_of(pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* The case with which cmocka goes on after a failed case. */
static void nothing_else_ran_in_a_child(void **state)
{
	if (getpid() != suite)
		_exit(WENT_ON);
}

int main(void)
{
	const struct rlimit no_core = { 0, 0 };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_dies_of_its_fault),
		cmocka_unit_test(a_child_dies_of_an_assertion),
		cmocka_unit_test(nothing_else_ran_in_a_child),
	};

	suite = getpid();
	setrlimit(RLIMIT_CORE, &no_core);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
