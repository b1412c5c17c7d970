// SPDX-License-Identifier: GPL-2.0-or-later
/* What the tests of extents share. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "extents.h"

void ext_row(char *args, size_t len, const struct target *below, const char *more)
{
	int minor = dm_minor(below->name);
	unsigned int major = 0;
	FILE *dev;
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/dm-%d/dev", minor);
	dev = fopen(path, "re");
	NEED(dev && fscanf(dev, "%u", &major) == 1, "read %s", path);
	fclose(dev);
	snprintf(args, len, "backing:%u:%d %s", major, minor, more);
}

void ext_create(struct stack *s, const char *more)
{
	char args[128];

	target_create_as(&s->below, ABI_NAME "2", ABI_CTL "2", 2 * ABI_SECTORS, NULL);
	ext_row(args, sizeof(args), &s->below, more);
	target_create(&s->t, args);
	s->fd = ch_need(&s->t);
	s->low = ch_need(&s->below);
}

int ext_ioctl(int fd, unsigned long command, void *arg)
{
	return ioctl(fd, command, arg) < 0 ? -errno : 0;
}

int ext_map_all(int fd, const struct dm_user_extent *extents, unsigned int count,
		unsigned int *done)
{
	struct dm_user_map map = { .extents = (uintptr_t)extents, .count = count };
	int ret = ext_ioctl(fd, DM_USER_IOC_MAP, &map);

	if (done)
		*done = map.count;
	return ret;
}

int ext_map(int fd, uint64_t sector, uint64_t len, uint64_t target, unsigned int flags)
{
	const struct dm_user_extent extent = {
		.sector = sector, .len = len, .target = target, .flags = flags,
	};

	return ext_map_all(fd, &extent, 1, NULL);
}

void ext_serve(int fd, uint64_t type, uint64_t sector, uint64_t sectors)
{
	uint8_t *buf = abi_buffer(ABI_MAX_IO);
	struct dm_user_message m;

	ch_take_type(fd, &m, type, buf);
	IS(m.sector, sector, "sector");
	IS(m.len, sectors * 512, "length");
	if (type == DM_USER_REQ_MAP_READ)
		abi_fill(buf, m.len, m.sector);
	IS(ch_answer(fd, &m, DM_USER_RESP_SUCCESS, buf, 0), 0, "answer");
	free(buf);
}

int ext_remap(int fd, const struct dm_user_message *m, uint64_t sector, uint64_t backing)
{
	const struct dm_user_message answer = {
		.seq = m->seq, .type = DM_USER_RESP_REMAP, .flags = backing, .sector = sector,
	};
	ssize_t n = ch_write(fd, &answer, sizeof(answer));

	return n == sizeof(answer) ? 0 : n < 0 ? (int)n : -EMSGSIZE;
}

void ext_fail(const struct stack *s, uint64_t type)
{
	struct dm_user_message m;

	ch_take_type(s->low, &m, type, NULL);
	IS(ch_answer(s->low, &m, DM_USER_RESP_ERROR, NULL, 0), 0, "answer");
}

bool ext_idle(int fd)
{
	return !(ch_poll(fd) & POLLIN);
}
