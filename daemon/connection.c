// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A process that connects sends one message: STATUS_REQUEST, CONFINEMENT_REQUEST or HELLO. Each
 * connection has a place. If no place is free, the next connection takes the place of the oldest
 * silent one.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/connection.h"
#include "daemon/peer.h"
#include "daemon/status.h"

/* The place of the oldest silent connection; DMU_CONNECTIONS_MAX: there is none. */
static unsigned int dmu_connection_oldest(const struct dmu_context *daemon)
{
	unsigned int i, oldest = DMU_CONNECTIONS_MAX;

	for (i = 0; i < DMU_CONNECTIONS_MAX; i++)
		if (daemon->connections[i] >= 0 &&
		    (oldest == DMU_CONNECTIONS_MAX ||
		     daemon->arrivals[i] < daemon->arrivals[oldest]))
			oldest = i;
	return oldest;
}

/* #syscalls main: close */
static void dmu_connection_drop(struct dmu_context *daemon, unsigned int index)
{
	close(daemon->connections[index]);
	daemon->connections[index] = -1;
}

/* Close the oldest silent connection; if there is none, pause to keep poll() from spinning. */
static void dmu_connection_make_room(struct dmu_context *daemon)
{
	unsigned int oldest = dmu_connection_oldest(daemon);

	if (oldest < DMU_CONNECTIONS_MAX)
		dmu_connection_drop(daemon, oldest);
	else
		poll(NULL, 0, DMU_PAUSE_MS);
}

void dmu_daemon_accept(struct dmu_context *daemon)
{
	int fd = dmu_peer_accept(daemon->listener);
	unsigned int i;

	if (fd == -EPERM)
		dmu_log(DMU_LOG_WARNING, "%s: refused a connection that is not root's",
			daemon->options.name);
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS)
		dmu_connection_make_room(daemon);
	if (fd < 0)
		return;
	for (i = 0; i < DMU_CONNECTIONS_MAX && daemon->connections[i] >= 0; i++)
		;
	if (i == DMU_CONNECTIONS_MAX) {
		i = dmu_connection_oldest(daemon);
		dmu_connection_drop(daemon, i);
	}
	daemon->connections[i] = fd;
	daemon->arrivals[i] = daemon->next_arrival++;
}

__attribute__((format(printf, 3, 4)))
static void dmu_connection_refuse(int fd, int error, const char *format, ...)
{
	struct dmu_wire_message message = { .type = DMU_WIRE_REFUSE };
	va_list args;

	message.reason.error = (uint32_t)error;
	va_start(args, format);
	vsnprintf(message.reason.reason, sizeof(message.reason.reason), format, args);
	va_end(args);
	dmu_peer_send(fd, &message, NULL, 0);
}

/* true: the newcomer behind @fd is the peer now. */
static bool dmu_connection_welcome(struct dmu_context *daemon, int fd, struct dmu_packet *packet)
{
	if (daemon->state != DMU_STATE_SERVING) {
		dmu_connection_refuse(fd, EBUSY, "generation %llu (pid %d) is taking over already",
				      (unsigned long long)daemon->peer.generation,
				      daemon->peer.pid);
		return false;
	}
	daemon->peer.pid = dmu_peer_pid(fd);
	/*
	 * Trust the newcomer's own pidfd: a confined daemon cannot make one. A newcomer that sends
	 * the pidfd of another process gets that process killed, which root can do without this
	 * daemon.
	 */
	packet->fd_count = 0;
	if (dmu_peer_adopt(daemon, packet->fds[0])) {
		dmu_connection_refuse(fd, EMFILE, "%s", daemon->reason.reason);
		return false;
	}
	/* Without a pidfd the newcomer's death goes unseen, and no daemon could serve after it. */
	if (!dmu_peer_is_pidfd(daemon->peer_pidfd)) {
		daemon->peer.known = false;
		dmu_connection_refuse(fd, EPROTO, "the descriptor in HELLO is no pidfd");
		return false;
	}
	daemon->peer.socket = fd;
	daemon->peer.hello = packet->message.hello;
	dmu_daemon_event(daemon, "hello", "pid=%d", daemon->peer.pid);
	return true;
}

bool dmu_daemon_answer(struct dmu_context *daemon, unsigned int index)
{
	int fd = daemon->connections[index];
	struct dmu_wire_message answer;
	struct dmu_packet packet;
	bool welcome = false;
	int rc;

	rc = dmu_peer_receive(fd, &packet);
	if (rc == -EAGAIN)
		return false;
	if (rc == -EPROTONOSUPPORT)
		dmu_connection_refuse(fd, EPROTONOSUPPORT,
				      "this daemon (%s) speaks protocol version %d only",
				      DMU_VERSION, DMU_WIRE_VERSION);
	else if (rc == -EPROTO)
		dmu_connection_refuse(fd, EPROTO, "malformed message");
	else if (!rc && dmu_status_answer(daemon, packet.message.type, &answer))
		/* If the peer does not read, its answer is lost. */
		dmu_peer_send(fd, &answer, NULL, 0);
	else if (!rc && packet.message.type == DMU_WIRE_HELLO)
		welcome = dmu_connection_welcome(daemon, fd, &packet);
	else if (!rc)
		dmu_connection_refuse(fd, EPROTO, "%s before HELLO",
				      dmu_wire_type_name(packet.message.type));
	if (!rc)
		dmu_packet_close(&packet);
	if (!welcome)
		close(fd);
	daemon->connections[index] = -1;
	return welcome;
}
