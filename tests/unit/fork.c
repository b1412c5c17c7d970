// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fork() of every unit test and of the code that it tests, linked in the place of libc's (--wrap).
 * cmocka catches the signals of faults, to fail the case and go on with the next one. A child would
 * do so, too, and run the rest of the suite again: here it dies of its fault or assertion.
 */
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/types.h>

pid_t __real_fork(void);
pid_t __wrap_fork(void);

pid_t __wrap_fork(void)
{
	static const int caught[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS };
	pid_t pid = __real_fork();
	size_t i;

	if (pid)
		return pid;
	for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		signal(caught[i], SIG_DFL);
	/* A failed assertion would jump to the next case, too. */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	return 0;
}
