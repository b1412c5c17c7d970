// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <poll.h>

#include "daemon/steps.h"

/* Check for a signal here: the loop does so between events, and all steps are one event to it. */
static int dmu_step_not_ended(struct dmu_context *daemon)
{
	struct pollfd signals = { .fd = daemon->signals, .events = POLLIN };

	if (poll(&signals, 1, 0) != 1)
		return 0;
	return dmu_daemon_blame(daemon, EINTR, "ended by a signal during the start");
}

int dmu_steps_run(struct dmu_context *daemon, const struct dmu_step *steps)
{
	int rc = dmu_step_not_ended(daemon);

	for (; !rc && steps->run; steps++) {
		rc = steps->run(daemon);
		if (!rc)
			rc = dmu_step_not_ended(daemon);
	}
	return rc;
}
