/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only a backend's memory knows, from one generation to the next. Functions that can fail: 0 or -errno, blamed. */
#ifndef DMUSER_DAEMON_STATE_H
#define DMUSER_DAEMON_STATE_H

#include "daemon/daemon.h"

/* All seals that there are: content, size, and that no other is set any more. */
#define DMU_ROOM_SEALS		(F_SEAL_SHRINK | F_SEAL_GROW)	/* from the beginning */
#define DMU_STATE_SEALS		(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
bool dmu_state_is_kept(const struct dmu_daemon *daemon);
/* Take the number that the room has for ever; a newcomer makes its room, too. When memory is locked. */
int dmu_state_prepare(struct dmu_daemon *daemon);
/* A ROOM has come, before READY. Takes the descriptor. */
int dmu_state_take_room(struct dmu_daemon *daemon, struct dmu_packet *packet);
/* The old one's state to the newcomer's room. Nothing if there is none. */
int dmu_state_export(struct dmu_daemon *daemon);
/* From there. */
int dmu_state_import(struct dmu_daemon *daemon);
/* The threads are about to go. */
void dmu_state_begin(struct dmu_daemon *daemon);
void dmu_state_clear_room(struct dmu_daemon *daemon);

#endif
