// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SIGTERM and SIGINT end dmuser-watch, but only while it waits: never while it starts a daemon, for
 * which the node is open. SIGHUP and SIGQUIT stay blocked: they are for programs on a terminal.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "watch/watch.h"

static volatile sig_atomic_t told;
static sigset_t while_waiting;

static void note(int number)
{
	told = number;
}

int watch_signals_hold(void)
{
	static const int ending[] = { SIGTERM, SIGINT }, ignored[] = { SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = note };
	sigset_t held;
	size_t i;

	if (sigprocmask(SIG_SETMASK, NULL, &held))
		return -errno;
	for (i = 0; i < 2; i++) {
		sigaddset(&held, ending[i]);
		sigaddset(&held, ignored[i]);
		if (sigaction(ending[i], &action, NULL))
			return -errno;
	}
	while_waiting = held;
	for (i = 0; i < 2; i++)
		sigdelset(&while_waiting, ending[i]);
	return sigprocmask(SIG_SETMASK, &held, NULL) ? -errno : 0;
}

bool watch_signals_told(void)
{
	return told;
}

int watch_signals_poll(struct pollfd *fds, unsigned int count, uint64_t ms)
{
	struct timespec limit = {
		.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000,
	};

	return told ? -EINTR : ppoll(fds, count, &limit, &while_waiting);
}
