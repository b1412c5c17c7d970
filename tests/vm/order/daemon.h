/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel of /dev/dm-user/CTL for small test daemons: whole requests and answers. 0 or -errno. */
#ifndef ORDER_DAEMON_H
#define ORDER_DAEMON_H

#include <stdbool.h>

#include <linux/dm-user.h>

#define DAEMON_MAX_IO	(1U << 20)

int daemon_open(const char *ctl);
/* -ESHUTDOWN: drained. @payload has DAEMON_MAX_IO bytes. */
int daemon_take(int fd, struct dm_user_message *message, void *payload);
/* @payload: of a successful read. It is no error if the channel no longer holds the request. */
int daemon_answer(int fd, const struct dm_user_message *message, unsigned int type,
		  const void *payload);

#endif
