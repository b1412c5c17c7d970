// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon.h"

int daemon_open(const char *ctl)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/dev/dm-user/%s", ctl);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int read_all(int fd, void *buf, size_t len)
{
	while (len) {
		ssize_t n = read(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ESHUTDOWN;
		buf = (char *)buf + n;
		len -= n;
	}
	return 0;
}

int daemon_take(int fd, struct dm_user_message *message, void *payload)
{
	int err;

	do {
		err = read_all(fd, message, sizeof(*message));
		if (!err && message->type == DM_USER_REQ_MAP_WRITE)
			err = message->len <= DAEMON_MAX_IO ?
			      read_all(fd, payload, message->len) : -EMSGSIZE;
	} while (err == -ECANCELED);
	return err;
}

int daemon_answer(int fd, const struct dm_user_message *message, unsigned int type,
		  const void *payload)
{
	struct dm_user_message answer = { .seq = message->seq, .type = type };
	bool has_payload = type == DM_USER_RESP_SUCCESS && message->type == DM_USER_REQ_MAP_READ;
	struct iovec iov[2] = {
		{ .iov_base = &answer, .iov_len = sizeof(answer) },
		{ .iov_base = (void *)payload, .iov_len = has_payload ? message->len : 0 },
	};
	ssize_t n = writev(fd, iov, 2);

	/* One call takes all of an answer whose memory is present. */
	if (n == (ssize_t)(iov[0].iov_len + iov[1].iov_len))
		return 0;
	return n < 0 && errno == EINVAL ? 0 : n < 0 ? -errno : -EIO;
}
