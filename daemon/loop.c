// SPDX-License-Identifier: LGPL-2.1-or-later
/* The main loop: descriptors become events, events become actions. Nothing here allocates. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/actions.h"
#include "daemon/connection.h"
#include "daemon/extents.h"
#include "daemon/loop.h"
#include "daemon/newcomer.h"
#include "daemon/peer.h"
#include "daemon/state.h"

#define DMU_TICK_MAX_MS	1000

/*
 * The descriptors that are polled, most urgent first. A round handles only one of them, since
 * handling it may change the others. What the peer has said comes before its death, and both come
 * before the timeout: a daemon that was stopped for longer than the timeout finds all three at
 * once.
 */
enum dmu_source {
	DMU_SOURCE_SIGNALS,
	DMU_SOURCE_SOCKET,
	DMU_SOURCE_PIDFD,
	DMU_SOURCE_SERVER,
	DMU_SOURCE_TIMER,
	DMU_SOURCE_TICKER,
	DMU_SOURCE_CONNECTION,
	DMU_SOURCE_LISTENER = DMU_SOURCE_CONNECTION + DMU_CONNECTIONS_MAX,
	DMU_SOURCE_END
};

/* #syscalls main: read */
static void dmu_loop_signals(struct dmu_context *daemon)
{
	struct signalfd_siginfo info;

	if (read(daemon->signals, &info, sizeof(info)) != sizeof(info))
		return;
	dmu_daemon_blame(daemon, EINTR, "ended by signal %u", info.ssi_signo);
	dmu_daemon_raise(daemon, DMU_EVENT_TERMINATE);
}

static enum dmu_event dmu_loop_room(struct dmu_context *daemon, struct dmu_packet *packet)
{
	if (daemon->state == DMU_STATE_OFFERED)
		return dmu_state_take_room(daemon, packet) ? DMU_EVENT_WRONG : DMU_EVENT_ROOM;
	dmu_packet_close(packet);
	return DMU_EVENT_WRONG;
}

/* A newcomer that sends no room would begin without this daemon's state. */
static enum dmu_event dmu_loop_ready(struct dmu_context *daemon)
{
	if (daemon->state != DMU_STATE_OFFERED || !dmu_state_is_kept(daemon) || daemon->room.held)
		return DMU_EVENT_READY;
	dmu_daemon_blame(daemon, EPROTO, "the newcomer has no room for the state in memory");
	return DMU_EVENT_WRONG;
}

/* The event that a message makes. The reason in a REFUSE or an ABORT becomes this daemon's. */
static enum dmu_event dmu_loop_message(struct dmu_context *daemon, struct dmu_packet *packet)
{
	const struct dmu_wire_message *message = &packet->message;

	dmu_daemon_blame(daemon, EPROTO, "%s from the other daemon while %s",
			 dmu_wire_type_name(message->type), dmu_state_name(daemon->state));
	switch (message->type) {
	case DMU_WIRE_HELLO:
		return DMU_EVENT_HELLO;
	case DMU_WIRE_OFFER:
		if (daemon->state == DMU_STATE_HELLO_SENT)
			return dmu_daemon_take_offer(daemon, packet) ? DMU_EVENT_WRONG :
								       DMU_EVENT_OFFER;
		dmu_packet_close(packet);
		return DMU_EVENT_WRONG;
	case DMU_WIRE_ROOM:
		return dmu_loop_room(daemon, packet);
	case DMU_WIRE_READY:
		return dmu_loop_ready(daemon);
	case DMU_WIRE_DRAINING:
		return DMU_EVENT_PEER_DRAINING;
	case DMU_WIRE_DRAINED:
		return DMU_EVENT_PEER_DRAINED;
	case DMU_WIRE_TAKEN:
		/* A dead peer's TAKEN does not count: this is the last chance to roll back. */
		return dmu_peer_has_died(daemon) ? DMU_EVENT_PEER_DEAD : DMU_EVENT_TAKEN;
	case DMU_WIRE_REFUSE:
		daemon->reason = message->reason;
		return DMU_EVENT_REFUSE;
	case DMU_WIRE_ABORT:
		daemon->reason = message->reason;
		return DMU_EVENT_ABORT;
	default:
		return DMU_EVENT_WRONG;
	}
}

static void dmu_loop_socket(struct dmu_context *daemon)
{
	struct dmu_packet packet;
	int rc = dmu_peer_receive(daemon->peer.socket, &packet);

	if (rc == -EAGAIN)
		return;
	if (!rc)
		return dmu_daemon_raise(daemon, dmu_loop_message(daemon, &packet));
	if (rc == -EPIPE) {
		dmu_daemon_blame(daemon, EPIPE, "the other daemon closed the connection while %s",
				 dmu_state_name(daemon->state));
		return dmu_daemon_raise(daemon, DMU_EVENT_HANGUP);
	}
	dmu_daemon_blame(daemon, -rc, "malformed message from the other daemon: %s",
			 strerrordesc_np(-rc));
	dmu_daemon_raise(daemon, DMU_EVENT_WRONG);
}

/* true, blamed: the device was removed. A peer that exited for that reason has no successor. */
static bool dmu_loop_target_gone(struct dmu_context *daemon)
{
	struct dm_user_info info;

	/* channels[] has closed channels if threads have failed; the server knows an open one. */
	int channel = daemon->server ? dmu_server_channel(daemon->server) : daemon->channels[0];

	if (dmu_channel_info(channel, &info) != -ENOTBLK)
		return false;
	dmu_daemon_blame(daemon, ENOTBLK, "the device was removed");
	return true;
}

static void dmu_loop_pidfd(struct dmu_context *daemon)
{
	if (dmu_loop_target_gone(daemon))
		return dmu_daemon_raise(daemon, DMU_EVENT_TARGET_GONE);
	/* If this daemon killed the peer, keep the reason for the kill. */
	if (daemon->state != DMU_STATE_FENCING_NEW && daemon->state != DMU_STATE_FENCING_READY)
		dmu_daemon_blame(daemon, ESRCH, "the other daemon (pid %d) died", daemon->peer.pid);
	dmu_daemon_raise(daemon, DMU_EVENT_PEER_DEAD);
}

/* Ask the kernel whether this is a drain: a thread that failed leaves requests unanswered. */
static enum dmu_event dmu_loop_server_end(struct dmu_context *daemon)
{
	int rc, result = dmu_server_result(daemon->server);
	struct dm_user_info info;

	rc = dmu_channel_info(dmu_server_channel(daemon->server), &info);
	if (result == -ENOTBLK || rc == -ENOTBLK) {
		dmu_daemon_blame(daemon, ENOTBLK, "the device was removed");
		return DMU_EVENT_TARGET_GONE;
	}
	if (!rc && info.channel_state == DM_USER_DRAINED) {
		if (daemon->state <= DMU_STATE_OFFERED)
			dmu_daemon_blame(daemon, ESHUTDOWN,
					 "generation %llu was drained by another process",
					 (unsigned long long)daemon->generation);
		return DMU_EVENT_DRAINED;
	}
	dmu_daemon_blame(daemon, result ? -result : EIO, "no channel is left: %s",
			 result ? strerrordesc_np(-result) :
				  "the threads have left, but the kernel reports no drain");
	return DMU_EVENT_SERVER_FAILED;
}

static void dmu_loop_server(struct dmu_context *daemon)
{
	eventfd_t count;
	unsigned int running;
	int result;

	if (eventfd_read(dmu_server_event_fd(daemon->server), &count))
		return;
	running = dmu_server_running(daemon->server);
	if (!running)
		return dmu_daemon_raise(daemon, dmu_loop_server_end(daemon));
	result = dmu_server_result(daemon->server);
	if (result && result != -ENOTBLK)
		dmu_log(DMU_LOG_ERR, "%s: a channel failed: %s; %u go on", daemon->options.name,
			strerrordesc_np(-result), running);
}

/* #syscalls main: read */
static bool dmu_loop_read_timer(int timer)
{
	uint64_t expirations;

	return read(timer, &expirations, sizeof(expirations)) == sizeof(expirations);
}

static const char *dmu_loop_awaited(enum dmu_state state)
{
	switch (state) {
	case DMU_STATE_HELLO_SENT:
		return "OFFER: the process is stopped, or hangs";
	case DMU_STATE_OFFERED:
		return "READY";
	case DMU_STATE_READY_SENT:
		return "DRAINING";
	case DMU_STATE_PEER_DRAINING:
		return "DRAINED";
	case DMU_STATE_DRAINED:
		return "TAKEN";
	default:
		return "its end";
	}
}

static void dmu_loop_timer(struct dmu_context *daemon)
{
	if (!dmu_loop_read_timer(daemon->timer))
		return;
	dmu_daemon_blame(daemon, ETIMEDOUT, "waited %u ms for %s (other daemon: pid %d)",
			 daemon->options.timeout_ms, dmu_loop_awaited(daemon->state),
			 daemon->peer.pid);
	dmu_daemon_raise(daemon, DMU_EVENT_TIMEOUT);
}

/* Is nothing left to look for? A daemon whose store the kernel maps may never have a request. */
static bool dmu_loop_is_settled(struct dmu_context *daemon)
{
	struct dmu_server_stats stats;

	if (dmu_extents_are_on(daemon))
		return dmu_extents_map(daemon);
	dmu_server_stats(daemon->server, &stats);
	if (stats.first_answer_ms)
		dmu_daemon_event(daemon, "serving", "first_answer_ms=%llu",
				 (unsigned long long)stats.first_answer_ms);
	return stats.first_answer_ms;
}

/*
 * Look for the first answer, less and less often: an idle device should cost nothing.
 *
 * #syscalls main: timerfd_settime
 */
static void dmu_loop_ticker(struct dmu_context *daemon)
{
	struct itimerspec when = { 0 };

	if (!dmu_loop_read_timer(daemon->ticker) || dmu_loop_is_settled(daemon))
		return;
	daemon->tick_ms = daemon->tick_ms < DMU_TICK_MAX_MS / 2 ? daemon->tick_ms * 2 :
								  DMU_TICK_MAX_MS;
	when.it_value.tv_sec = daemon->tick_ms / 1000;
	when.it_value.tv_nsec = (long)(daemon->tick_ms % 1000) * 1000000;
	timerfd_settime(daemon->ticker, 0, &when, NULL);
}

static void dmu_loop_handle(struct dmu_context *daemon, unsigned int source)
{
	switch (source) {
	case DMU_SOURCE_SIGNALS:
		return dmu_loop_signals(daemon);
	case DMU_SOURCE_SOCKET:
		return dmu_loop_socket(daemon);
	case DMU_SOURCE_PIDFD:
		return dmu_loop_pidfd(daemon);
	case DMU_SOURCE_SERVER:
		return dmu_loop_server(daemon);
	case DMU_SOURCE_TIMER:
		return dmu_loop_timer(daemon);
	case DMU_SOURCE_TICKER:
		return dmu_loop_ticker(daemon);
	case DMU_SOURCE_LISTENER:
		return dmu_daemon_accept(daemon);
	default:
		if (dmu_daemon_answer(daemon, source - DMU_SOURCE_CONNECTION))
			dmu_daemon_raise(daemon, DMU_EVENT_HELLO);
	}
}

/*
 * Wait until a descriptor is ready, and handle the most urgent one.
 *
 * #syscalls main: poll restart_syscall
 */
static void dmu_loop_wait(struct dmu_context *daemon)
{
	const int fds[DMU_SOURCE_CONNECTION] = {
		[DMU_SOURCE_SIGNALS] = daemon->signals,
		[DMU_SOURCE_SOCKET] = daemon->peer.socket,
		[DMU_SOURCE_PIDFD] = daemon->peer.known ? daemon->peer_pidfd : -1,
		[DMU_SOURCE_SERVER] = daemon->server ? dmu_server_event_fd(daemon->server) : -1,
		[DMU_SOURCE_TIMER] = daemon->timer,
		[DMU_SOURCE_TICKER] = daemon->ticker,
	};
	struct pollfd polled[DMU_SOURCE_END];
	unsigned int sources[DMU_SOURCE_END];
	unsigned int i, count = 0;
	int fd, ready;

	/* Skip what is not open: poll() refuses more entries than RLIMIT_NOFILE. */
	for (i = 0; i < DMU_SOURCE_END; i++) {
		if (i < DMU_SOURCE_CONNECTION)
			fd = fds[i];
		else if (i < DMU_SOURCE_LISTENER)
			fd = daemon->connections[i - DMU_SOURCE_CONNECTION];
		else
			fd = daemon->accepting ? daemon->listener : -1;
		if (fd < 0)
			continue;
		polled[count] = (struct pollfd){ .fd = fd, .events = POLLIN };
		sources[count++] = i;
	}
	ready = poll(polled, count, -1);
	/* Do not spin if more descriptors are open than the limit allows. */
	if (ready < 0 && errno != EINTR)
		poll(NULL, 0, DMU_PAUSE_MS);
	if (ready <= 0)
		return;
	for (i = 0; i < count && !polled[i].revents; i++)
		;
	if (i < count)
		dmu_loop_handle(daemon, sources[i]);
}

static void dmu_loop_dispatch(struct dmu_context *daemon, enum dmu_event event)
{
	const struct dmu_transition transition = dmu_transition(daemon->state, event);
	unsigned int i;

	if (daemon->options.verbose)
		dmu_log(DMU_LOG_INFO, "%s: %s, %s -> %s", daemon->options.name,
			dmu_state_name(daemon->state), dmu_event_name(event),
			dmu_state_name(transition.next));
	daemon->state = transition.next;
	for (i = 0; transition.actions[i] != DMU_ACTION_NONE && daemon->raised == DMU_EVENT_END;
	     i++)
		dmu_daemon_act(daemon, transition.actions[i]);
}

int dmu_daemon_run(struct dmu_context *daemon)
{
	enum dmu_event event;

	/* A device that does not exist yet has no serving daemon. */
	if (daemon->options.takeover)
		dmu_daemon_connect(daemon);
	else
		dmu_daemon_raise(daemon, DMU_EVENT_NO_PEER);
	while (daemon->state != DMU_STATE_DONE && daemon->state != DMU_STATE_FAILED) {
		event = daemon->raised;
		daemon->raised = DMU_EVENT_END;
		if (event == DMU_EVENT_END)
			dmu_loop_wait(daemon);
		else
			dmu_loop_dispatch(daemon, event);
	}
	if (daemon->state == DMU_STATE_DONE) {
		dmu_daemon_event(daemon, "exit", "status=%d", DMU_EXIT_DONE);
		return DMU_EXIT_DONE;
	}
	dmu_daemon_event(daemon, "exit", "status=%d reason=\"%s\"", DMU_EXIT_FAILED,
			 daemon->reason.reason);
	return DMU_EXIT_FAILED;
}
