// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A backend's state on its way from one generation to the next. The newcomer makes the room for it
 * before it is confined: a memfd of the size that its backend asks for, fully allocated and locked.
 * So, while no daemon serves, the export needs no memory, and none of the state can go to swap. The
 * old daemon writes the state to the room and seals it. Each try has its own room: a daemon that
 * has been confined for long needs none in stock.
 *
 * The room that a daemon made as the newcomer and the room that the next newcomer sends have the
 * same number. In between the number is /dev/null, so a seccomp filter can name it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/state.h"

#define DMU_ROOM_MAX	(1ULL << 30)	/* bytes; for a while, twice that is locked memory */

bool dmu_state_is_kept(const struct dmu_context *daemon)
{
	return daemon->ops && daemon->ops->stateful;
}

/* Make the memfd, allocate and lock all of it, and fix its size. */
static int dmu_room_allocate(struct dmu_room *room)
{
	room->fd = memfd_create("dmuser-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (room->fd < 0)
		return -errno;
	if (fallocate(room->fd, 0, 0, (off_t)room->size) ||
	    fcntl(room->fd, F_ADD_SEALS, DMU_ROOM_SEALS))
		return -errno;
	/*
	 * The mapping only locks the memory. It is private, since a memfd cannot be sealed against
	 * writes while a shared mapping could write to it. On failure the newcomer exits, which
	 * frees all.
	 */
	room->map = mmap(NULL, room->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, room->fd, 0);
	if (room->map == MAP_FAILED) {
		room->map = NULL;
		return -errno;
	}
	return mlock(room->map, room->size) ? -errno : 0;
}

int dmu_state_prepare(struct dmu_context *daemon)
{
	struct dmu_room *room = &daemon->room;
	int rc;

	if (!dmu_state_is_kept(daemon))
		return 0;
	if (!daemon->taken_over) {
		room->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		return room->fd < 0 ? dmu_daemon_blame(daemon, errno, "cannot open /dev/null: %s",
						       strerror(errno)) : 0;
	}
	/* An old daemon that knows no state would serve beside this one. */
	if (daemon->peer.order != DMU_WIRE_EXCLUSIVE)
		return dmu_daemon_blame(daemon, EPROTO,
					"backend %s keeps state in memory, and the other daemon "
					"does not know that", daemon->ops->name);
	room->size = daemon->ops->state_max(daemon->backend);
	if (!room->size || room->size > DMU_ROOM_MAX)
		return dmu_daemon_blame(daemon, EFBIG, "backend %s has %llu bytes of state",
					daemon->ops->name, (unsigned long long)room->size);
	rc = dmu_room_allocate(room);
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "no memory for %llu bytes of state: %s",
					(unsigned long long)room->size, strerror(-rc));
	room->held = true;
	return 0;
}

/* #syscalls state: dup3 fcntl */
int dmu_state_take_room(struct dmu_context *daemon, struct dmu_packet *packet)
{
	struct dmu_room *room = &daemon->room;
	int rc = 0, seals;

	if (!dmu_state_is_kept(daemon))
		rc = dmu_daemon_blame(daemon, EPROTO,
				      "the newcomer expects state in memory, and there is none");
	else if (room->held)
		rc = dmu_daemon_blame(daemon, EPROTO, "a second room for the state");
	else if (dup3(packet->fds[0], room->fd, O_CLOEXEC) < 0)
		rc = dmu_daemon_blame(daemon, errno, "cannot keep the room for the state: %s",
				      strerrordesc_np(errno));
	dmu_packet_close(packet);
	if (rc)
		return rc;
	room->held = true;
	room->size = packet->message.room.size;
	/* A write to anything but memory may wait for another process. */
	seals = fcntl(room->fd, F_GET_SEALS);
	if (seals < 0 || (seals & DMU_STATE_SEALS) != DMU_ROOM_SEALS)
		return dmu_daemon_blame(daemon, EPROTO,
					"the room for the state is no memfd of a fixed size");
	return 0;
}

/* #syscalls state: pwrite64 fcntl */
int dmu_state_export(struct dmu_context *daemon)
{
	const struct dmu_room *room = &daemon->room;
	int rc;

	if (!dmu_state_is_kept(daemon))
		return 0;
	rc = daemon->ops->export_state(daemon->backend, room->fd, room->size);
	if (!rc && fcntl(room->fd, F_ADD_SEALS, DMU_STATE_SEALS))
		rc = -errno;
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot export the state: %s",
					strerrordesc_np(-rc));
	return 0;
}

int dmu_state_import(struct dmu_context *daemon)
{
	struct dmu_room *room = &daemon->room;
	int seals = fcntl(room->fd, F_GET_SEALS), rc;

	/* The old daemon could change an unsealed room between its check and its use. */
	if (seals < 0 || (seals & DMU_STATE_SEALS) != DMU_STATE_SEALS)
		return dmu_daemon_blame(daemon, EPROTO, "the other daemon's state is not sealed");
	rc = daemon->ops->import_state(daemon->backend, room->fd, room->size);
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot import the state: %s",
					strerrordesc_np(-rc));
	room->imported = true;
	return 0;
}

/* A daemon that starts alone has no state to import: its predecessor has died with the state. */
void dmu_state_begin(struct dmu_context *daemon)
{
	if (!dmu_state_is_kept(daemon) || daemon->room.imported || daemon->generation == 1)
		return;
	daemon->ops->state_lost(daemon->backend);
	dmu_log(DMU_LOG_WARNING, "%s: the state of the daemon before is lost: writes that were not "
		"flushed may be lost, too", daemon->options.name);
}

/* #syscalls state: munmap dup3 */
void dmu_state_clear_room(struct dmu_context *daemon)
{
	struct dmu_room *room = &daemon->room;

	if (!room->held)
		return;
	if (room->map)
		munmap(room->map, room->size);
	room->map = NULL;
	/* Standard input is /dev/null: its copy keeps the number taken. */
	dup3(STDIN_FILENO, room->fd, O_CLOEXEC);
	room->held = false;
}
