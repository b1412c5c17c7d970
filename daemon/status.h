/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a serving daemon reports about itself. */
#ifndef DMUSER_DAEMON_STATUS_H
#define DMUSER_DAEMON_STATUS_H

#include "daemon/daemon.h"

/* Answer STATUS_REQUEST or CONFINEMENT_REQUEST in @answer. false: @question is neither. */
bool dmu_status_answer(const struct dmu_context *daemon, enum dmu_wire_type question,
		       struct dmu_wire_message *answer);

#endif
