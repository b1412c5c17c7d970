// SPDX-License-Identifier: LGPL-2.1-or-later
/* What dmu_transition() asks for: one function an action. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/actions.h"
#include "daemon/attach.h"
#include "daemon/extents.h"
#include "daemon/newcomer.h"
#include "daemon/peer.h"
#include "daemon/prepare.h"
#include "daemon/state.h"
#include "rundir/clean.h"

#define DMU_TICK_MIN_MS	20

static void dmu_send_fds(struct dmu_context *daemon, const struct dmu_wire_message *message,
			 const int *fds, unsigned int fd_count)
{
	int rc;

	if (daemon->peer.socket < 0)
		return;
	rc = dmu_peer_send(daemon->peer.socket, message, fds, fd_count);
	/* The pidfd tells of a peer that died, the step's timer of a peer that does not read. */
	if (rc && rc != -EPIPE)
		dmu_log(DMU_LOG_WARNING, "%s: cannot send %s: %s", daemon->options.name,
			dmu_wire_type_name(message->type), strerrordesc_np(-rc));
}

static void dmu_send(struct dmu_context *daemon, const struct dmu_wire_message *message)
{
	dmu_send_fds(daemon, message, NULL, 0);
}

static void dmu_send_type(struct dmu_context *daemon, enum dmu_wire_type type)
{
	const struct dmu_wire_message message = { .type = type };

	dmu_send(daemon, &message);
}

static void dmu_send_reason(struct dmu_context *daemon, enum dmu_wire_type type)
{
	struct dmu_wire_message message = { .type = type };

	message.reason = daemon->reason;
	dmu_send(daemon, &message);
}

/* #syscalls main: timerfd_settime */
static void dmu_timer_set(int timer, unsigned int ms)
{
	const struct itimerspec when = {
		.it_value = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 },
	};

	timerfd_settime(timer, 0, &when, NULL);
}

static void dmu_act_connect(struct dmu_context *daemon)
{
	dmu_daemon_connect(daemon);
}

static void dmu_act_attach(struct dmu_context *daemon)
{
	if (dmu_daemon_attach(daemon))
		dmu_daemon_raise(daemon, DMU_EVENT_PREPARE_FAILED);
}

static void dmu_act_prepare(struct dmu_context *daemon)
{
	if (dmu_daemon_prepare(daemon))
		dmu_daemon_raise(daemon, DMU_EVENT_PREPARE_FAILED);
	else if (daemon->peer.order == DMU_WIRE_EXCLUSIVE)
		dmu_daemon_raise(daemon, DMU_EVENT_PREPARED_EXCLUSIVE);
	else
		dmu_daemon_raise(daemon, DMU_EVENT_PREPARED);
}

static void dmu_act_go(struct dmu_context *daemon)
{
	if (daemon->since_ms)
		return;
	daemon->since_ms = dmu_now_ms();
	daemon->tick_ms = DMU_TICK_MIN_MS;
	dmu_timer_set(daemon->ticker, daemon->tick_ms);
	/* From here on the daemon survives the process that started it. */
	dmu_launch_commit();
	dmu_server_go(daemon->server);
}

/* #syscalls main: getpid */
static void dmu_act_seal(struct dmu_context *daemon)
{
	int rc;

	/* A seal by an unconfined daemon that started alone would lock out its restart. */
	if (!daemon->taken_over && !daemon->filtered)
		return;
	rc = dmu_channel_seal(dmu_server_channel(daemon->server));
	if (rc)
		dmu_log(DMU_LOG_ERR, "%s: cannot seal the node: %s; serving on",
			daemon->options.name, strerrordesc_np(-rc));
	else
		dmu_daemon_event(daemon, "sealed", "pid=%d", (int)getpid());
}

static void dmu_act_accept(struct dmu_context *daemon)
{
	int rc = dmu_peer_relisten(daemon->listener);

	if (rc)
		dmu_log(DMU_LOG_ERR, "%s: cannot listen: %s", daemon->options.name,
			strerrordesc_np(-rc));
	daemon->accepting = true;
}

static void dmu_act_report_serving(struct dmu_context *daemon)
{
	int rc = 0;

	if (daemon->rundir.tab >= 0)
		rc = dmu_rundir_rewrite_tab(&daemon->rundir, daemon->options.name,
					    daemon->spec.text);
	if (rc)
		dmu_log(DMU_LOG_ERR, "%s: cannot record what is served in %s/" DMU_TAB_NAME ": %s",
			daemon->options.name, daemon->rundir.path, strerrordesc_np(-rc));
	if (daemon->options.takeover)
		dmu_daemon_event(daemon, "takeover", "from=%s pid=%d stage=%s",
				 daemon->taken_over ? "daemon" : "nobody", (int)getpid(),
				 daemon->program->stage);
	/* Unlock before the report: a start that follows the report must find the lock free. */
	dmu_rundir_unlock(&daemon->rundir);
	dmu_launch_succeed(&daemon->launch);
}

static void dmu_act_report_failure(struct dmu_context *daemon)
{
	char text[DMU_WIRE_REASON_MAX + DMU_NAME_MAX + 2];

	snprintf(text, sizeof(text), "%s: %s", daemon->options.name, daemon->reason.reason);
	dmu_log(DMU_LOG_ERR, "%s", text);
	dmu_launch_fail(&daemon->launch, text);
}

static void dmu_act_send_hello(struct dmu_context *daemon)
{
	const struct dmu_daemon_options *options = &daemon->options;
	const struct dmu_backend_ops *ops = dmu_backend_find(daemon->program->backends,
							     options->spec.backend);
	struct dmu_wire_message message = { .type = DMU_WIRE_HELLO };
	bool fit;

	message.hello.cache = DMU_WIRE_CACHE_AS_OFFERED;
	if (options->spec_given) {
		message.hello.cache = options->spec.cache;
		/* If the table cannot be read now, the order is checked later. */
		if (ops && !dmu_extents_fit(ops, &options->spec, options->name, &fit) && fit)
			message.hello.cache = DMU_WIRE_CACHE_DIRECT;
		message.hello.exclusive = ops && ops->begin;
	}
	daemon->told_cache = message.hello.cache;
	message.hello.channels = options->channels ? options->channels : options->spec.channels;
	dmu_send_fds(daemon, &message, &daemon->self_pidfd, 1);
}

/* Mixing buffered and direct I/O on one store at the same moment can lose a sector. */
static enum dmu_wire_order dmu_offer_order(const struct dmu_context *daemon)
{
	const struct dmu_wire_hello *hello = &daemon->peer.hello;

	if (hello->exclusive || daemon->ops->begin)
		return DMU_WIRE_EXCLUSIVE;
	if (hello->cache != DMU_WIRE_CACHE_AS_OFFERED &&
	    hello->cache != (uint32_t)daemon->spec.cache)
		return DMU_WIRE_EXCLUSIVE;
	return DMU_WIRE_OVERLAP;
}

static int dmu_offer_fill(struct dmu_context *daemon, struct dmu_wire_offer *offer)
{
	const struct dmu_wire_hello *hello = &daemon->peer.hello;
	struct dm_user_info info;
	int rc;

	rc = dmu_channel_info(dmu_server_channel(daemon->server), &info);
	if (rc)
		return rc;
	offer->generation = info.newest_generation + 1;
	offer->order = dmu_offer_order(daemon);
	offer->channels = hello->channels ? hello->channels : daemon->channel_count;
	offer->sectors = info.sectors;
	offer->logical_block_size = info.logical_block_size;
	memcpy(offer->name, daemon->options.name, sizeof(offer->name));
	memcpy(offer->ctl, daemon->options.ctl, sizeof(offer->ctl));
	memcpy(offer->spec, daemon->spec.text, sizeof(offer->spec));
	memcpy(offer->store, daemon->store, sizeof(offer->store));
	daemon->peer.generation = offer->generation;
	daemon->peer.order = offer->order;
	return 0;
}

static void dmu_act_send_offer(struct dmu_context *daemon)
{
	struct dmu_wire_message message = { .type = DMU_WIRE_OFFER };
	int fds[DMU_WIRE_FDS_MAX] = { daemon->self_pidfd, daemon->listener };
	unsigned int count = DMU_WIRE_OFFER_FDS;
	int rc, fd;

	rc = dmu_offer_fill(daemon, &message.offer);
	while (!rc && count < DMU_WIRE_OFFER_FDS + message.offer.channels) {
		fd = dmu_channel_dup(dmu_server_channel(daemon->server));
		if (fd < 0)
			rc = fd;
		else
			fds[count++] = fd;
	}
	if (!rc)
		rc = dmu_peer_send(daemon->peer.socket, &message, fds, count);
	/* A packet in flight has its own references. */
	while (count > DMU_WIRE_OFFER_FDS)
		close(fds[--count]);
	if (rc) {
		dmu_daemon_blame(daemon, -rc, "generation %llu cannot make an offer: %s",
				 (unsigned long long)daemon->generation, strerrordesc_np(-rc));
		return dmu_daemon_raise(daemon, DMU_EVENT_OFFER_FAILED);
	}
	dmu_daemon_event(daemon, "offer", "to=%llu pid=%d order=%s channels=%u",
			 (unsigned long long)daemon->peer.generation, daemon->peer.pid,
			 message.offer.order == DMU_WIRE_OVERLAP ? "overlap" : "exclusive",
			 message.offer.channels);
}

static void dmu_act_send_room(struct dmu_context *daemon)
{
	const struct dmu_room *room = &daemon->room;
	const struct dmu_wire_message message = {
		.type = DMU_WIRE_ROOM, .room = { .size = room->size },
	};

	if (dmu_state_is_kept(daemon))
		dmu_send_fds(daemon, &message, &room->fd, 1);
}

static void dmu_act_send_ready(struct dmu_context *daemon)
{
	dmu_daemon_event(daemon, "ready", "confinement=0x%x locked=%llu",
			 daemon->confinement.proved,
			 (unsigned long long)daemon->confinement.locked_bytes);
	/* From here on the old daemon may leave, or be killed, before this daemon serves. */
	dmu_launch_commit();
	dmu_send_type(daemon, DMU_WIRE_READY);
}

static void dmu_act_send_draining(struct dmu_context *daemon)
{
	dmu_daemon_event(daemon, "draining", "to=%llu",
			 (unsigned long long)daemon->peer.generation);
	dmu_send_type(daemon, DMU_WIRE_DRAINING);
}

static uint64_t dmu_stats_total(const struct dmu_server_stats *stats)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < sizeof(stats->requests) / sizeof(stats->requests[0]); i++)
		total += stats->requests[i];
	return total;
}

static void dmu_act_send_drained(struct dmu_context *daemon)
{
	struct dmu_wire_message message = { .type = DMU_WIRE_DRAINED };
	struct dmu_server_stats *stats = &message.drained.stats;

	message.drained.generation = daemon->generation;
	dmu_server_stats(daemon->server, stats);
	dmu_daemon_event(daemon, "drained",
			 "last_seq=%llu requests=%llu reads=%llu writes=%llu errors=%llu",
			 (unsigned long long)stats->last_seq,
			 (unsigned long long)dmu_stats_total(stats),
			 (unsigned long long)stats->requests[DM_USER_REQ_MAP_READ],
			 (unsigned long long)stats->requests[DM_USER_REQ_MAP_WRITE],
			 (unsigned long long)stats->errors);
	dmu_send(daemon, &message);
}

static void dmu_act_send_taken(struct dmu_context *daemon)
{
	dmu_send_type(daemon, DMU_WIRE_TAKEN);
}

static void dmu_act_send_refuse(struct dmu_context *daemon)
{
	dmu_send_reason(daemon, DMU_WIRE_REFUSE);
}

static void dmu_act_send_abort(struct dmu_context *daemon)
{
	dmu_send_reason(daemon, DMU_WIRE_ABORT);
}

static void dmu_act_arm_timer(struct dmu_context *daemon)
{
	dmu_timer_set(daemon->timer, daemon->options.timeout_ms);
}

static void dmu_spares_close(struct dmu_context *daemon)
{
	while (daemon->spare_count)
		close(daemon->spares[--daemon->spare_count]);
}

static void dmu_act_open_spares(struct dmu_context *daemon)
{
	int fd;

	while (daemon->spare_count < daemon->channel_count) {
		fd = dmu_channel_dup(dmu_server_channel(daemon->server));
		if (fd < 0) {
			/* A rollback needs spares, which a drained generation cannot open. */
			dmu_daemon_blame(daemon, -fd, "cannot open spare channels: %s",
					 strerrordesc_np(-fd));
			dmu_spares_close(daemon);
			return dmu_daemon_raise(daemon, DMU_EVENT_DRAIN_FAILED);
		}
		daemon->spares[daemon->spare_count++] = fd;
	}
}

static void dmu_act_drain(struct dmu_context *daemon)
{
	int rc = dmu_channel_drain(dmu_server_channel(daemon->server), false);

	if (rc >= 0)
		return;
	dmu_daemon_blame(daemon, -rc, "cannot drain: %s", strerrordesc_np(-rc));
	dmu_daemon_raise(daemon, DMU_EVENT_DRAIN_FAILED);
}

static void dmu_act_export(struct dmu_context *daemon)
{
	if (dmu_state_export(daemon))
		dmu_daemon_raise(daemon, DMU_EVENT_EXPORT_FAILED);
}

static void dmu_act_begin(struct dmu_context *daemon)
{
	if (dmu_state_begin(daemon) || dmu_extents_begin(daemon))
		dmu_daemon_raise(daemon, DMU_EVENT_BEGIN_FAILED);
}

static void dmu_act_map(struct dmu_context *daemon)
{
	/* If it cannot be now, the ticker tries again. */
	dmu_extents_map(daemon);
}

static void dmu_act_undo(struct dmu_context *daemon)
{
	int rc = dmu_channel_drain(dmu_server_channel(daemon->server), true);

	if (rc == -ENOTBLK)
		return dmu_daemon_raise(daemon, DMU_EVENT_TARGET_GONE);
	if (rc < 0)
		return dmu_daemon_raise(daemon, DMU_EVENT_UNDO_REFUSED);
	dmu_spares_close(daemon);
	dmu_server_resume(daemon->server);
	dmu_daemon_raise(daemon, DMU_EVENT_UNDONE);
}

/*
 * A drained generation cannot serve again, so the spares join a new one. Each spare takes the
 * number of the channel that it replaces: the threads read on unchanged. No request is left behind,
 * since a drained generation has answered all that it held.
 *
 * #syscalls main: dup3
 */
static int dmu_spares_join(struct dmu_context *daemon)
{
	struct dm_user_info info;
	uint64_t generation;
	unsigned int i;
	int rc;

	if (!daemon->spare_count)
		return -EBADF;
	rc = dmu_channel_info(daemon->spares[0], &info);
	if (rc)
		return rc;
	generation = info.newest_generation + 1;
	for (i = 0; i < daemon->spare_count && !rc; i++)
		rc = dmu_channel_join(daemon->spares[i], generation, !i);
	for (i = 0; i < daemon->spare_count && !rc; i++)
		rc = dup3(daemon->spares[i], daemon->channels[i], O_CLOEXEC) < 0 ? -errno : 0;
	if (!rc)
		daemon->generation = generation;
	return rc;
}

static void dmu_act_rejoin(struct dmu_context *daemon)
{
	int rc;

	/* A generation takes memory. No other daemon serves, so wait until there is memory. */
	while ((rc = dmu_spares_join(daemon)) == -ENOMEM)
		poll(NULL, 0, DMU_PAUSE_MS);
	dmu_spares_close(daemon);
	if (rc == -ENOTBLK)
		return dmu_daemon_raise(daemon, DMU_EVENT_TARGET_GONE);
	if (rc) {
		dmu_log(DMU_LOG_ERR, "%s: cannot become a new generation: %s", daemon->options.name,
			strerrordesc_np(-rc));
		return dmu_daemon_raise(daemon, DMU_EVENT_REJOIN_FAILED);
	}
	dmu_server_resume(daemon->server);
	dmu_daemon_raise(daemon, DMU_EVENT_REJOINED);
}

static void dmu_act_close_socket(struct dmu_context *daemon)
{
	if (daemon->peer.socket >= 0)
		close(daemon->peer.socket);
	daemon->peer.socket = -1;
}

static void dmu_act_kill_peer(struct dmu_context *daemon)
{
	int rc;

	/* A daemon that hangs is better than one that dies with state that only it has. */
	if (daemon->state == DMU_STATE_FENCING_OLD && dmu_state_is_kept(daemon) &&
	    !daemon->begun && !dmu_peer_has_died(daemon)) {
		dmu_log(DMU_LOG_WARNING,
			"%s: only the other daemon (pid %d) has the state: it is not killed",
			daemon->options.name, daemon->peer.pid);
		return dmu_daemon_raise(daemon, DMU_EVENT_SPARED);
	}
	rc = daemon->peer.known ? dmu_peer_kill(daemon->peer_pidfd) : 0;
	if (rc)
		dmu_log(DMU_LOG_ERR, "%s: cannot kill the other daemon (pid %d): %s",
			daemon->options.name, daemon->peer.pid, strerrordesc_np(-rc));
	else if (daemon->peer.known)
		dmu_daemon_event(daemon, "peer-killed", "pid=%d reason=\"%s\"", daemon->peer.pid,
				 daemon->reason.reason);
	dmu_act_close_socket(daemon);
}

/* #syscalls main: dup3 */
static void dmu_act_drop_peer(struct dmu_context *daemon)
{
	dmu_act_close_socket(daemon);
	/* Standard input is /dev/null: its copy keeps the number taken. */
	if (daemon->peer.known)
		dup3(STDIN_FILENO, daemon->peer_pidfd, O_CLOEXEC);
	dmu_state_clear_room(daemon);
	memset(&daemon->peer, 0, sizeof(daemon->peer));
	daemon->peer.socket = -1;
	dmu_timer_set(daemon->timer, 0);
}

static void dmu_act_log_rollback(struct dmu_context *daemon)
{
	dmu_daemon_event(daemon, "rollback", "reason=\"%s\"", daemon->reason.reason);
}

static void dmu_act_log_slow(struct dmu_context *daemon)
{
	dmu_log(DMU_LOG_WARNING, "%s: still %s after %u ms", daemon->options.name,
		dmu_state_name(daemon->state), daemon->options.timeout_ms);
}

static void dmu_act_log_stays(struct dmu_context *daemon)
{
	dmu_log(DMU_LOG_WARNING,
		"%s: ignores the signal while the device exists: hand it over, or remove it",
		daemon->options.name);
}

static void dmu_act_log_lost(struct dmu_context *daemon)
{
	dmu_log(DMU_LOG_ERR,
		"%s: generation %llu ends and no other serves (%s): start a daemon with --takeover",
		daemon->options.name, (unsigned long long)daemon->generation,
		daemon->reason.reason);
}

static void dmu_act_clean_run_dir(struct dmu_context *daemon)
{
	/* A confined daemon cannot: dmuserctl or the next creation of the device cleans up. */
	if (daemon->filtered)
		return;
	close(daemon->listener);
	daemon->listener = -1;
	daemon->accepting = false;
	/* A new device of that name has its own daemon there. */
	if (!dmu_dm_exists(daemon->options.name))
		dmu_run_clean_files(daemon->options.run_dir, daemon->options.name);
}

void dmu_daemon_act(struct dmu_context *daemon, enum dmu_action action)
{
	static void (*const actions[DMU_ACTION_END])(struct dmu_context *daemon) = {
		[DMU_ACTION_CONNECT]		= dmu_act_connect,
		[DMU_ACTION_ATTACH]		= dmu_act_attach,
		[DMU_ACTION_PREPARE]		= dmu_act_prepare,
		[DMU_ACTION_GO]			= dmu_act_go,
		[DMU_ACTION_SEAL]		= dmu_act_seal,
		[DMU_ACTION_ACCEPT]		= dmu_act_accept,
		[DMU_ACTION_REPORT_SERVING]	= dmu_act_report_serving,
		[DMU_ACTION_REPORT_FAILURE]	= dmu_act_report_failure,
		[DMU_ACTION_SEND_HELLO]		= dmu_act_send_hello,
		[DMU_ACTION_SEND_OFFER]		= dmu_act_send_offer,
		[DMU_ACTION_SEND_ROOM]		= dmu_act_send_room,
		[DMU_ACTION_SEND_READY]		= dmu_act_send_ready,
		[DMU_ACTION_SEND_DRAINING]	= dmu_act_send_draining,
		[DMU_ACTION_SEND_DRAINED]	= dmu_act_send_drained,
		[DMU_ACTION_SEND_TAKEN]		= dmu_act_send_taken,
		[DMU_ACTION_SEND_REFUSE]	= dmu_act_send_refuse,
		[DMU_ACTION_SEND_ABORT]		= dmu_act_send_abort,
		[DMU_ACTION_ARM_TIMER]		= dmu_act_arm_timer,
		[DMU_ACTION_OPEN_SPARES]	= dmu_act_open_spares,
		[DMU_ACTION_DRAIN]		= dmu_act_drain,
		[DMU_ACTION_EXPORT]		= dmu_act_export,
		[DMU_ACTION_BEGIN]		= dmu_act_begin,
		[DMU_ACTION_MAP]		= dmu_act_map,
		[DMU_ACTION_UNDO]		= dmu_act_undo,
		[DMU_ACTION_REJOIN]		= dmu_act_rejoin,
		[DMU_ACTION_KILL_PEER]		= dmu_act_kill_peer,
		[DMU_ACTION_CLOSE_SOCKET]	= dmu_act_close_socket,
		[DMU_ACTION_DROP_PEER]		= dmu_act_drop_peer,
		[DMU_ACTION_LOG_ROLLBACK]	= dmu_act_log_rollback,
		[DMU_ACTION_LOG_SLOW]		= dmu_act_log_slow,
		[DMU_ACTION_LOG_STAYS]		= dmu_act_log_stays,
		[DMU_ACTION_LOG_LOST]		= dmu_act_log_lost,
		[DMU_ACTION_CLEAN_RUN_DIR]	= dmu_act_clean_run_dir,
	};

	actions[action](daemon);
}
