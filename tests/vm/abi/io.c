// SPDX-License-Identifier: GPL-2.0-or-later
/* The clients of a device: one thread and one descriptor for each operation. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abi.h"

static int io_perform(struct io *io, int fd)
{
	struct iovec iov = { .iov_base = io->buf, .iov_len = io->len };
	uint64_t range[2] = { io->offset, io->len };
	ssize_t done;

	switch (io->op) {
	case IO_READ:
		done = preadv2(fd, &iov, 1, io->offset, 0);
		break;
	case IO_WRITE:
		done = pwritev2(fd, &iov, 1, io->offset, 0);
		break;
	case IO_WRITE_FUA:
		done = pwritev2(fd, &iov, 1, io->offset, RWF_DSYNC);
		break;
	case IO_FSYNC:
		return fsync(fd) < 0 ? -errno : 0;
	case IO_DISCARD:
		return ioctl(fd, BLKDISCARD, range) < 0 ? -errno : 0;
	case IO_ZEROOUT:
		return ioctl(fd, BLKZEROOUT, range) < 0 ? -errno : 0;
	case IO_SECDISCARD:
		return ioctl(fd, BLKSECDISCARD, range) < 0 ? -errno : 0;
	case IO_PUNCH:
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, io->offset,
				 io->len) < 0 ? -errno : 0;
	default:
		return -EINVAL;
	}
	if (done < 0)
		return -errno;
	return (size_t)done == io->len ? 0 : -EMSGSIZE;
}

static void *io_thread(void *arg)
{
	struct io *io = arg;
	int fd = open(io->dev, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0) {
		io->result = -errno;
	} else {
		io->result = io_perform(io, fd);
		close(fd);
	}
	io->done = true;
	return NULL;
}

struct io *io_start(const struct target *t, enum io_op op, uint64_t offset, size_t len,
		    uint64_t tag)
{
	struct io *io = calloc(1, sizeof(*io));

	NEED(io, "allocate an operation");
	snprintf(io->dev, sizeof(io->dev), "%s", t->dev);
	io->op = op;
	io->offset = offset;
	io->len = len;
	io->tag = tag;
	io->buf = abi_buffer(len ? len : 1);
	if (op == IO_WRITE || op == IO_WRITE_FUA)
		abi_fill(io->buf, len, tag);
	NEED(!pthread_create(&io->thread, NULL, io_thread, io), "create a thread");
	return io;
}

int io_end(struct io *io)
{
	int result;

	NEED(UNTIL(io->done), "operation %d at %llu, length %zu ends", io->op,
	     (unsigned long long)io->offset, io->len);
	pthread_join(io->thread, NULL);
	result = io->result;
	free(io->buf);
	free(io);
	return result;
}

void io_end_read(struct io *io, uint64_t tag)
{
	NEED(UNTIL(io->done),
	     "read at %llu, length %zu ends", (unsigned long long)io->offset, io->len);
	if (IS(io->result, 0, "read at %llu", (unsigned long long)io->offset))
		OK(abi_filled(io->buf, io->len, tag),
		   "read at %llu, length %zu has the bytes of tag %llu",
		   (unsigned long long)io->offset, io->len, (unsigned long long)tag);
	io_end(io);
}

void io_refuse(struct io *io, int fd)
{
	struct dm_user_message m;

	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(m.sector, io->offset / 512, "sector of the read");
	IS(ch_answer(fd, &m, DM_USER_RESP_ERROR, NULL, 0), 0, "answer");
	IS(io_end(io), -EIO, "the read fails");
}

int io_do(const struct target *t, enum io_op op, uint64_t offset, size_t len, uint64_t tag)
{
	return io_end(io_start(t, op, offset, len, tag));
}
