// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices that come and go, and many devices at once. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "tests/vm/scale/scale.h"

#define EACH	512
#define IOS	6

/* A device's life: serve, reload and revoke held writes, orphan or fail them, remove. */
static void churn_one(unsigned int number)
{
	struct dm_user_message m, held[IOS];
	struct many many;
	struct target t;
	char row[64];
	int fd, other;

	scale_target(&t, number % 4);
	fd = ch_need(&t);
	IS(ch_join(fd, 1, DM_USER_JOIN_CREATE), 0, "join");
	other = ch_new(fd);
	NEED(other >= 0, "another channel: %s", strerror(-other));
	many_open(&many, &t, IOS, EACH);
	many_submit(&many, 0, IOS, true, false);
	for (int i = 0; i < IOS - 1; i++)
		ch_take_type(fd, &held[i], DM_USER_REQ_MAP_WRITE, NULL);
	IS(ch_answer(fd, &held[0], DM_USER_RESP_SUCCESS, NULL, 0), 0, "answer one");
	if (number % 2)
		IS(ch_read(fd, &m, sizeof(m)), sizeof(m), "read a header and no payload");
	dm_row(row, sizeof(row), t.ctl, "orphans:requeue");
	IS(dm_load(t.name, ABI_SECTORS, "user", row), 0, "load");
	IS(dm_suspend(t.name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	IS(dm_resume(t.name, 0), 0, "resume");
	NEED(UNTIL(dm_word(t.name, "queued:") == IOS - 1), "the others are queued again");
	IS(ch_answer(fd, &held[1], DM_USER_RESP_SUCCESS, NULL, 0), 0, "a late answer");
	if (number % 3)
		close(fd);
	else
		IS(dm_message(t.name, "fail"), 0, "fail the waiting requests");
	while (number % 3 && many.in_flight) {
		ch_take_type(other, &m, DM_USER_REQ_MAP_WRITE, NULL);
		IS(ch_answer(other, &m, DM_USER_RESP_SUCCESS, NULL, 0), 0, "answer");
		many_reap_now(&many);
	}
	NEED(many_reap(&many, many.in_flight), "all I/Os end");
	many_close(&many);
	target_remove(&t);
	IS(ch_read(other, &m, sizeof(m)), -ENOTBLK, "read of a dead node");
	close(other);
	if (number % 3 == 0)
		close(fd);
}

void scale_churn(unsigned int rounds)
{
	for (unsigned int i = 0; i < rounds; i++)
		churn_one(i);
}

/* More than there could be if control nodes had the numbers of misc devices. */
#define DEVICES	300

void scale_numbers(unsigned int rounds)
{
	char name[32], ctl[32], row[64];
	unsigned int count;

	for (count = 0; count < DEVICES; count++) {
		snprintf(name, sizeof(name), "scale%u", count);
		snprintf(ctl, sizeof(ctl), "scale-ctl%u", count);
		dm_row(row, sizeof(row), ctl, NULL);
		NEED(IS(dm_create(name), 0, "create %s", name), "a device");
		NEED(IS(dm_load(name, ABI_SECTORS, "user", row), 0, "load %s", name),
		     "its control node");
	}
	while (count--) {
		snprintf(name, sizeof(name), "scale%u", count);
		IS(dm_remove(name), 0, "remove %s", name);
	}
}
