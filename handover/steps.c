// SPDX-License-Identifier: GPL-2.0-or-later
#include "handover/context.h"

int dmu_steps_run(struct dmu_daemon *daemon, const struct dmu_step *steps)
{
	int rc = 0;

	for (; !rc && steps->run; steps++)
		rc = steps->run(daemon);
	return rc;
}
