/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Carry a backend's state, which is only in its memory, from one generation to the next. Functions
 * that can fail return 0 or -errno, blamed.
 */
#ifndef DMUSER_DAEMON_STATE_H
#define DMUSER_DAEMON_STATE_H

#include "daemon/daemon.h"

/* The seals of a room from its creation, and all seals, once the state is in it. */
#define DMU_ROOM_SEALS		(F_SEAL_SHRINK | F_SEAL_GROW)
#define DMU_STATE_SEALS		(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
bool dmu_state_is_kept(const struct dmu_context *daemon);
/* Reserve the room's fixed number; a newcomer also makes its room. Run after memory is locked. */
int dmu_state_prepare(struct dmu_context *daemon);
/* Take the room, and the descriptors, of a ROOM message that came before READY. */
int dmu_state_take_room(struct dmu_context *daemon, struct dmu_packet *packet);
/* Write the old daemon's state to the newcomer's room. No state: do nothing. */
int dmu_state_export(struct dmu_context *daemon);
/*
 * Let the backend begin, once, before the threads serve: in DMU_STATE_PEER_LEAVING with what the
 * old daemon has left, and with the state from this newcomer's room; else without.
 */
int dmu_state_begin(struct dmu_context *daemon);
void dmu_state_clear_room(struct dmu_context *daemon);

#endif
