// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/status.h"

static enum dmu_wire_state dmu_status_state(enum dmu_state state)
{
	switch (state) {
	case DMU_STATE_OFFERED:
		return DMU_WIRE_HANDING_OVER;
	case DMU_STATE_DRAINING:
	case DMU_STATE_DRAINED:
		return DMU_WIRE_STATE_DRAINING;
	case DMU_STATE_UNDOING:
	case DMU_STATE_FENCING_NEW:
	case DMU_STATE_FENCING_READY:
		return DMU_WIRE_ROLLING_BACK;
	default:
		return DMU_WIRE_SERVING;
	}
}

/* #syscalls main: getpid */
static void dmu_status_fill(const struct dmu_context *daemon, struct dmu_wire_status *status)
{
	struct dm_user_info info = { 0 };

	/* It fails only if the target is gone, and then this daemon soon exits. */
	dmu_channel_info(dmu_server_channel(daemon->server), &info);
	status->state = dmu_status_state(daemon->state);
	status->pid = (uint32_t)getpid();
	status->generation = daemon->generation;
	status->newest_generation = info.newest_generation;
	status->since_ms = daemon->since_ms;
	status->locked_bytes = daemon->confinement.locked_bytes;
	status->channels = daemon->channel_count;
	status->held = info.held;
	status->cache = daemon->spec.cache;
	status->confinement = daemon->confinement.proved & DMU_WIRE_CONFINED_STATUS;
	status->sealed = info.state & DM_USER_STATE_SEALED;
	dmu_server_stats(daemon->server, &status->stats);
	snprintf(status->stage, sizeof(status->stage), "%s", daemon->program->stage);
	snprintf(status->version, sizeof(status->version), "%s", DMU_VERSION);
	memcpy(status->name, daemon->options.name, sizeof(status->name));
	memcpy(status->ctl, daemon->options.ctl, sizeof(status->ctl));
	memcpy(status->spec, daemon->spec.text, sizeof(status->spec));
}

static void dmu_status_fill_confinement(const struct dmu_context *daemon,
					struct dmu_wire_confinement *confinement)
{
	confinement->proved = daemon->confinement.proved;
	confinement->filters = daemon->confinement.filters;
	confinement->landlock = daemon->confinement.landlock;
	memcpy(confinement->domain, daemon->confinement.domain, sizeof(confinement->domain));
}

bool dmu_status_answer(const struct dmu_context *daemon, enum dmu_wire_type question,
		       struct dmu_wire_message *answer)
{
	memset(answer, 0, sizeof(*answer));
	switch (question) {
	case DMU_WIRE_STATUS_REQUEST:
		answer->type = DMU_WIRE_STATUS;
		dmu_status_fill(daemon, &answer->status);
		return true;
	case DMU_WIRE_CONFINEMENT_REQUEST:
		answer->type = DMU_WIRE_CONFINEMENT;
		dmu_status_fill_confinement(daemon, &answer->confinement);
		return true;
	default:
		return false;
	}
}
