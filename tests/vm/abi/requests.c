// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests: the header of each type. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"

#define ALL_FLAGS	0x7ffffULL

static void request_is(const struct dm_user_message *m, uint64_t seq, uint64_t type,
		       uint64_t sector, uint64_t len)
{
	IS(m->seq, seq, "seq");
	IS(m->type, type, "type");
	IS(m->sector, sector, "sector of type %llu", (unsigned long long)type);
	IS(m->len, len, "len of type %llu", (unsigned long long)type);
	OK(!(m->flags & ~ALL_FLAGS), "no unknown flag in %#llx", (unsigned long long)m->flags);
}

static void requests_header(void)
{
	struct dm_user_message m;
	uint8_t *buf = abi_buffer(65536);
	struct target t;
	struct io *io;
	int fd, other;

	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_READ, 1024, 512, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	request_is(&m, 0, DM_USER_REQ_MAP_READ, 2, 512);
	OK(!(m.flags & (DM_USER_REQ_MAP_FLAG_FUA | DM_USER_REQ_MAP_FLAG_PREFLUSH)),
	   "a read has neither FUA nor PREFLUSH");
	ch_answer(fd, &m, 0, buf, 0);
	io_end(io);

	io = io_start(&t, IO_WRITE, (ABI_SECTORS - 8) * 512, 4096, 3);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, buf);
	request_is(&m, 1, DM_USER_REQ_MAP_WRITE, ABI_SECTORS - 8, 4096);
	OK(m.flags & DM_USER_REQ_MAP_FLAG_SYNC,
	   "a direct write has SYNC: %#llx", (unsigned long long)m.flags);
	OK(!(m.flags & DM_USER_REQ_MAP_FLAG_FUA), "a direct write does not have FUA");
	ch_answer(fd, &m, 0, NULL, 0);
	IS(io_end(io), 0, "write of the last sectors");

	other = ch_need(&t);
	io = io_start(&t, IO_READ, 65536, 65536, 0);
	ch_take_type(other, &m, DM_USER_REQ_MAP_READ, NULL);
	request_is(&m, 2, DM_USER_REQ_MAP_READ, 128, 65536);
	ch_answer(other, &m, 0, buf, 0);
	io_end(io);
	close(other);
	free(buf);
}

static void requests_durable(void)
{
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(m.len, 0, "len of a flush");
	OK(!io->done, "fsync waits for its flush");
	ch_answer(fd, &m, 0, NULL, 0);
	IS(io_end(io), 0, "fsync");

	io = io_start(&t, IO_WRITE_FUA, 4096, 4096, 9);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	OK(m.flags & DM_USER_REQ_MAP_FLAG_FUA,
	   "a durable write has FUA: %#llx", (unsigned long long)m.flags);
	request_is(&m, 1, DM_USER_REQ_MAP_WRITE, 8, 4096);
	ch_answer(fd, &m, 0, NULL, 0);
	while (UNTIL(io->done || ch_poll(fd) & POLLIN) && !io->done) {
		ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
		ch_answer(fd, &m, 0, NULL, 0);
	}
	IS(io_end(io), 0, "write with RWF_DSYNC");

	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	ch_answer(fd, &m, DM_USER_RESP_ERROR, NULL, 0);
	IS(io_end(io), -EIO, "fsync fails with its flush");
}

/* Take requests of type @type until @io is done; return the bytes that they cover. */
static uint64_t requests_cover(int fd, struct io *io, uint64_t type, uint64_t *flags)
{
	struct dm_user_message m;
	uint64_t next = io->offset / 512, total = 0;

	*flags = 0;
	while (UNTIL(io->done || ch_poll(fd) & POLLIN) && !io->done) {
		ch_take_type(fd, &m, type, NULL);
		IS(m.sector, next,
		   "requests of type %llu follow one another", (unsigned long long)type);
		next += m.len / 512;
		total += m.len;
		*flags |= m.flags;
		IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
	}
	return total;
}

static void requests_bulk(void)
{
	static const struct { enum io_op op; uint64_t type; } cases[] = {
		{ IO_DISCARD, DM_USER_REQ_MAP_DISCARD },
		{ IO_ZEROOUT, DM_USER_REQ_MAP_WRITE_ZEROES },
		{ IO_PUNCH, DM_USER_REQ_MAP_WRITE_ZEROES },
		{ IO_SECDISCARD, DM_USER_REQ_MAP_SECURE_ERASE },
	};
	uint64_t flags;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, "secure_erase:on");
	fd = ch_need(&t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		io = io_start(&t, cases[i].op, 1 << 20, 5 << 20, 0);
		IS(requests_cover(fd, io, cases[i].type, &flags), 5 << 20,
		   "bytes of operation %d", cases[i].op);
		if (cases[i].op == IO_ZEROOUT)
			OK(flags & DM_USER_REQ_MAP_FLAG_NOUNMAP, "BLKZEROOUT keeps the space");
		if (cases[i].op == IO_PUNCH)
			OK(!(flags & DM_USER_REQ_MAP_FLAG_NOUNMAP),
			   "a hole need not keep the space");
		IS(io_end(io), 0, "operation %d", cases[i].op);
	}
	IS(dm_word(t.name, "discards:") > 0, true, "discards are counted");
	IS(dm_word(t.name, "write_zeroes:") > 0, true, "write zeroes are counted");
	IS(dm_word(t.name, "secure_erases:") > 0, true, "secure erases are counted");
}

static void requests_off(void)
{
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, "discard:off write_zeroes:off");
	fd = ch_need(&t);
	IS(io_do(&t, IO_DISCARD, 0, 65536, 0), -EOPNOTSUPP, "discard is off");
	IS(io_do(&t, IO_SECDISCARD, 0, 65536, 0), -EOPNOTSUPP, "secure erase is off by default");
	io = io_start(&t, IO_ZEROOUT, 0, 65536, 0);
	while (UNTIL(io->done || ch_poll(fd) & POLLIN) && !io->done) {
		ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
		ch_answer(fd, &m, 0, NULL, 0);
	}
	IS(io_end(io), 0, "zeroes are written as data when write zeroes is off");
}

static void requests_limits(void)
{
	struct dm_user_info info;
	struct dm_user_message m;
	uint8_t *buf = abi_buffer(ABI_MAX_IO);
	uint64_t total = 0;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, "max_io:16384 logical_block_size:4096 physical_block_size:4096");
	fd = ch_need(&t);
	IS(ch_info(fd, &info), 0, "info");
	IS(info.max_io_bytes, 16384, "max_io_bytes");
	IS(info.logical_block_size, 4096, "logical_block_size");
	IS(io_do(&t, IO_READ, 0, 512, 0), -EINVAL, "a direct read smaller than a block");
	io = io_start(&t, IO_WRITE, 0, 256 << 10, 77);
	while (UNTIL(io->done || ch_poll(fd) & POLLIN) && !io->done) {
		uint8_t *part = abi_buffer(65536);

		NEED(IS(ch_take(fd, &m, part, 0), 0, "take"), "a request");
		OK(m.len <= 16384 && !(m.len % 4096) && !(m.sector % 8),
		   "len %llu at %llu is within limits", (unsigned long long)m.len,
		   (unsigned long long)m.sector);
		memcpy(buf + m.sector * 512, part, m.len);
		total += m.len;
		ch_answer(fd, &m, 0, NULL, 0);
		free(part);
	}
	IS(io_end(io), 0, "a long write");
	IS(total, 256 << 10, "bytes of the long write");
	OK(abi_filled(buf, 256 << 10, 77), "every part of the write is in its place");
	free(buf);
}

const struct abi_test abi_requests[] = {
	{ "header", requests_header, "seq counts from 0, sector and len have their units" },
	{ "durable", requests_durable,
	  "P6: fsync sends a FLUSH, RWF_DSYNC sends FUA, and both wait for the answer" },
	{ "bulk", requests_bulk,
	  "discard, write zeroes and secure erase cover all of their range" },
	{ "off", requests_off, "operations that the table row switches off never arrive" },
	{ "limits", requests_limits, "no request is longer or less aligned than the row says" },
	{ NULL, NULL, NULL }
};
