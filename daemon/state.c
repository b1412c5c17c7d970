// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How a backend begins, and its state on its way from one generation to the next.
 *
 * The newcomer makes the room for the state before it is confined: a memfd of the size that its
 * backend asks for, fully allocated and locked.
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
	return daemon->ops && daemon->ops->state_max;
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

	/* An old daemon that does not know the order would serve beside this one. */
	if (daemon->ops->begin && daemon->taken_over && daemon->peer.order != DMU_WIRE_EXCLUSIVE)
		return dmu_daemon_blame(daemon, EPROTO, "backend %s serves beside no other daemon, "
					"and the other daemon does not know that",
					daemon->ops->name);
	if (!dmu_state_is_kept(daemon))
		return 0;
	if (!daemon->taken_over) {
		room->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		return room->fd < 0 ? dmu_daemon_blame(daemon, errno, "cannot open /dev/null: %s",
						       strerror(errno)) : 0;
	}
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

/* For an I/O thread. */
struct dmu_beginning {
	struct dmu_context *daemon;
	enum dmu_begin how;
	int room;
};

static int dmu_state_call_begin(void *arg)
{
	const struct dmu_beginning *beginning = arg;
	const struct dmu_context *daemon = beginning->daemon;

	return daemon->ops->begin(daemon->backend, beginning->how, beginning->room,
				  beginning->room < 0 ? 0 : daemon->room.size);
}

/* What a generation has left that did not hand over. In doubt something is lost. */
static enum dmu_begin dmu_state_look(const struct dmu_context *daemon)
{
	struct dm_user_info info;

	if (!dmu_channel_info(dmu_server_channel(daemon->server), &info) &&
	    info.features & DM_USER_FEATURE_UNFLUSHED)
		return info.state & DM_USER_STATE_UNFLUSHED ? DMU_BEGIN_LOST : DMU_BEGIN_FIRST;
	return daemon->generation == 1 ? DMU_BEGIN_FIRST : DMU_BEGIN_LOST;
}

/* The old daemon could change an unsealed room between its check and its use. */
static int dmu_state_check_seals(struct dmu_context *daemon)
{
	int seals = fcntl(daemon->room.fd, F_GET_SEALS);

	if (seals < 0 || (seals & DMU_STATE_SEALS) != DMU_STATE_SEALS)
		return dmu_daemon_blame(daemon, EPROTO, "the other daemon's state is not sealed");
	return 0;
}

int dmu_state_begin(struct dmu_context *daemon)
{
	struct dmu_beginning beginning = { .daemon = daemon, .room = -1 };
	int rc = 0;

	if (daemon->begun || !daemon->ops->begin)
		return 0;
	if (daemon->state != DMU_STATE_PEER_LEAVING) {
		beginning.how = dmu_state_look(daemon);
	} else {
		beginning.how = DMU_BEGIN_IMPORT;
		if (dmu_state_is_kept(daemon)) {
			beginning.room = daemon->room.fd;
			rc = dmu_state_check_seals(daemon);
		}
	}
	if (rc)
		return rc;
	rc = dmu_server_call(daemon->server, dmu_state_call_begin, &beginning);
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "backend %s cannot begin: %s",
					daemon->ops->name, strerrordesc_np(-rc));
	daemon->begun = true;
	return 0;
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
