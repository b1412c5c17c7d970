// SPDX-License-Identifier: LGPL-2.1-or-later
/* Ask the serving daemon for its status, over its handover socket. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "handover/peer.h"
#include "rundir/directory.h"
#include "rundir/listener.h"

#define ANSWER_SECONDS	2
#define LOOK_MS		20

static int fail(int error, char *text, size_t len, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(int error, char *text, size_t len, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, len, format, ap);
	va_end(ap);
	return -error;
}

/* A connection, whose backlog may be full: -EAGAIN. */
static int connect_once(const char *run_dir, const char *name)
{
	char path[DMU_PATH_MAX];
	int ret = dmu_run_path(path, sizeof(path), run_dir, name, DMU_SOCKET_NAME);

	return ret ? ret : dmu_peer_connect(path);
}

/*
 * A connection to the daemon that listens. Wait for a place in its backlog, and limit each send and
 * receive, for ANSWER_SECONDS. -ENOENT, -ECONNREFUSED: no daemon listens; or another -errno.
 */
static int dial(const char *run_dir, const char *name)
{
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	uint64_t deadline = dmu_now_ms() + ANSWER_SECONDS * 1000;
	int fd, ret;

	while ((fd = connect_once(run_dir, name)) == -EAGAIN && dmu_now_ms() < deadline)
		poll(NULL, 0, LOOK_MS);
	if (fd < 0)
		return fd;
	if (fcntl(fd, F_SETFL, 0) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit))) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

pid_t dmu_listener_pid(const char *run_dir, const char *name)
{
	int fd = dial(run_dir, name), pid;

	if (fd < 0)
		return fd;
	pid = dmu_peer_pid(fd);
	close(fd);
	return pid;
}

bool dmu_listener_present(const char *run_dir, const char *name)
{
	int fd = connect_once(run_dir, name);

	if (fd >= 0)
		close(fd);
	return fd != -ECONNREFUSED && fd != -ENOENT;
}

/* Send a message of type @ask, and receive one of type @wanted in @message. 0 or -errno. */
static int exchange(int fd, enum dmu_wire_type ask, enum dmu_wire_type wanted,
		    struct dmu_wire_message *message, char *error, size_t len)
{
	uint8_t packet[DMU_WIRE_SIZE_MAX];
	ssize_t size;

	memset(message, 0, sizeof(*message));
	message->type = ask;
	size = dmu_wire_encode(message, packet, sizeof(packet));
	if (size < 0)
		return fail(-size, error, len, "%s", strerror(-size));
	if (send(fd, packet, size, MSG_NOSIGNAL) < 0)
		return fail(errno, error, len, "cannot ask the daemon: %s", strerror(errno));
	size = recv(fd, packet, sizeof(packet), 0);
	if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return fail(ETIMEDOUT, error, len, "the daemon has not answered for %d s",
			    ANSWER_SECONDS);
	if (size <= 0)
		return fail(size ? errno : EPIPE, error, len, "the daemon does not answer: %s",
			    size ? strerror(errno) : "it hung up");
	if (dmu_wire_decode(message, packet, size))
		return fail(EPROTO, error, len, "the daemon's answer cannot be understood");
	if (message->type == DMU_WIRE_REFUSE)
		return fail(EBUSY, error, len, "the daemon refuses: %s", message->reason.reason);
	if (message->type != wanted)
		return fail(EPROTO, error, len, "the daemon answered %s",
			    dmu_wire_type_name(message->type));
	return 0;
}

/* VmLck of @pid in bytes; @otherwise if it is unknown. */
static uint64_t locked_bytes(uint32_t pid, uint64_t otherwise)
{
	char path[64], line[256];
	uint64_t kib;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", pid);
	file = fopen(path, "re");
	if (!file)
		return otherwise;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmLck: %" SCNu64 " kB", &kib) == 1)
			otherwise = kib * 1024;
	fclose(file);
	return otherwise;
}

int dmu_listener_ask(const char *run_dir, const char *name, struct dmu_listener *daemon,
		     char *error, size_t len)
{
	struct dmu_wire_message message;
	int fd, ret, pid;

	fd = dial(run_dir, name);
	if (fd == -ENOENT)
		return fail(ENOENT, error, len, "no daemon has its socket in %s/%s", run_dir, name);
	if (fd == -ECONNREFUSED)
		return fail(ECONNREFUSED, error, len, "the daemon of the socket in %s/%s is dead",
			    run_dir, name);
	if (fd == -EAGAIN)
		return fail(ETIMEDOUT, error, len,
			    "the daemon has not accepted the connection for %d s", ANSWER_SECONDS);
	if (fd < 0)
		return fail(-fd, error, len,
			    "cannot reach the daemon by %s/%s/" DMU_SOCKET_NAME ": %s", run_dir,
			    name, strerror(-fd));
	ret = exchange(fd, DMU_WIRE_STATUS_REQUEST, DMU_WIRE_STATUS, &message, error, len);
	pid = dmu_peer_pid(fd);
	close(fd);
	if (ret)
		return ret;
	/* Take the pid from the kernel: an attacker may have taken over the daemon. */
	if (pid > 0)
		message.status.pid = pid;
	daemon->status = message.status;
	daemon->locked_bytes = locked_bytes(message.status.pid, message.status.locked_bytes);
	return 0;
}

void dmu_listener_ask_confinement(const char *run_dir, const char *name,
				  struct dmu_listener *daemon)
{
	struct dmu_wire_message message;
	char error[DMU_ERROR_MAX];
	int fd = dial(run_dir, name), ret;

	memset(&daemon->confinement, 0, sizeof(daemon->confinement));
	daemon->confinement.proved = daemon->status.confinement;
	if (fd < 0)
		return;
	ret = exchange(fd, DMU_WIRE_CONFINEMENT_REQUEST, DMU_WIRE_CONFINEMENT, &message, error,
		       sizeof(error));
	close(fd);
	if (!ret)
		daemon->confinement = message.confinement;
}
