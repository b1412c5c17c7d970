// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers: successes, errors, and answers that no daemon should give. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"

static int answers_one(const struct target *t, int fd, enum io_op op, uint64_t type)
{
	struct io *io = io_start(t, op, 0, op == IO_FSYNC ? 0 : 4096, 1);
	struct dm_user_message m;

	NEED(ch_ready(fd, POLLIN), "a request of operation %d comes", op);
	IS(ch_take(fd, &m, NULL, 0), 0, "take");
	IS(ch_answer(fd, &m, type, NULL, 0), 0, "answer %#llx", (unsigned long long)type);
	return io_end(io);
}

static void answers_errors(void)
{
	static const uint64_t odd[] = { 4, 12, 0x100, 1ULL << 32, ~0ULL };
	struct target t;
	int fd;

	target_create(&t, "secure_erase:on");
	fd = ch_need(&t);
	IS(answers_one(&t, fd, IO_READ, DM_USER_RESP_ERROR), -EIO, "read, ERROR");
	IS(answers_one(&t, fd, IO_WRITE, DM_USER_RESP_ERROR), -EIO, "write, ERROR");
	IS(answers_one(&t, fd, IO_FSYNC, DM_USER_RESP_ERROR), -EIO, "fsync, ERROR");
	IS(answers_one(&t, fd, IO_DISCARD, DM_USER_RESP_ERROR), -EIO, "discard, ERROR");
	IS(answers_one(&t, fd, IO_SECDISCARD, DM_USER_RESP_ERROR), -EIO, "secure erase, ERROR");
	IS(dm_word(t.name, "errors:"), 5, "errors are counted");
	IS(answers_one(&t, fd, IO_READ, DM_USER_RESP_UNSUPPORTED), -EOPNOTSUPP,
	   "read, UNSUPPORTED");
	IS(answers_one(&t, fd, IO_WRITE, DM_USER_RESP_UNSUPPORTED), -EOPNOTSUPP,
	   "write, UNSUPPORTED");
	IS(answers_one(&t, fd, IO_SECDISCARD, DM_USER_RESP_UNSUPPORTED), -EOPNOTSUPP,
	   "secure erase, UNSUPPORTED");
	IS(dm_word(t.name, "unsupported:"), 3, "unsupported answers are counted");
	IS(answers_one(&t, fd, IO_READ, DM_USER_RESP_NOSPC), -ENOSPC, "read, NOSPC");
	IS(answers_one(&t, fd, IO_WRITE, DM_USER_RESP_NOSPC), -ENOSPC, "write, NOSPC");
	IS(answers_one(&t, fd, IO_FSYNC, DM_USER_RESP_NOSPC), -ENOSPC, "fsync, NOSPC");
	IS(dm_word(t.name, "errors:"), 8, "NOSPC counts as an error");
	IS(dm_word(t.name, "nospace:"), -ENOENT, "the status has no word nospace");
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		IS(answers_one(&t, fd, IO_READ, odd[i]), -EIO, "read, answer of unknown type");
		IS(answers_one(&t, fd, IO_WRITE, odd[i]), -EIO, "write, answer of unknown type");
	}
}

/* With nospace:wait any channel gets the write again and again; no other request waits for it. */
static void answers_nospace_waits(void)
{
	uint8_t *buf = abi_buffer(4096), *payload = abi_buffer(ABI_MAX_IO);
	struct dm_user_message m, again;
	struct io *write, *read;
	struct dm_user_info info;
	struct target t;
	int fd, next;

	target_create(&t, "nospace:wait");
	fd = ch_need(&t);
	IS(ch_info(fd, &info), 0, "info");
	OK(info.policy & DM_USER_POLICY_NOSPACE_WAIT, "info has the policy");
	IS(answers_one(&t, fd, IO_READ, DM_USER_RESP_NOSPC), -ENOSPC, "a read fails");
	IS(answers_one(&t, fd, IO_FSYNC, DM_USER_RESP_NOSPC), -ENOSPC, "a flush fails");
	IS(dm_word(t.name, "nospace:"), 0, "no request waits for space");

	write = io_start(&t, IO_WRITE, 0, 4096, 3);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, payload);
	IS(ch_answer(fd, &m, DM_USER_RESP_NOSPC, NULL, 0), 0, "answer NOSPC");
	IS(dm_word(t.name, "nospace:"), 1, "the write waits for space");
	IS(dm_word(t.name, "held:"), 0, "no channel holds the write");
	IS(ch_answer(fd, &m, 0, NULL, 0), -EINVAL, "the channel no longer holds the write");
	read = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(fd, &again, DM_USER_REQ_MAP_READ, NULL);
	abi_fill(buf, 4096, 5);
	IS(ch_answer(fd, &again, 0, buf, 0), 0, "a read is answered meanwhile");
	io_end_read(read, 5);

	next = ch_need(&t);
	close(fd);
	ch_take_type(next, &again, DM_USER_REQ_MAP_WRITE, payload);
	IS(again.seq, m.seq, "another channel gets the write");
	OK(abi_filled(payload, 4096, 3), "the write has the same payload");
	IS(ch_answer(next, &again, DM_USER_RESP_NOSPC, NULL, 0), 0, "answer NOSPC again");
	OK(!write->done, "the write is not done");
	ch_take_type(next, &again, DM_USER_REQ_MAP_WRITE, payload);
	IS(ch_answer(next, &again, 0, NULL, 0), 0, "answer SUCCESS");
	IS(io_end(write), 0, "the write succeeds");
	IS(dm_word(t.name, "nospace:"), 0, "no request waits for space");

	write = io_start(&t, IO_WRITE, 0, 4096, 3);
	ch_take_type(next, &m, DM_USER_REQ_MAP_WRITE, payload);
	IS(ch_answer(next, &m, DM_USER_RESP_NOSPC, NULL, 0), 0, "answer NOSPC");
	IS(dm_message(t.name, "fail"), 0, "message fail");
	IS(io_end(write), -EIO, "the write fails");
	IS(dm_word(t.name, "nospace:"), 0, "no request waits for space");
	close(next);
	free(buf);
	free(payload);
}

/* BLKZEROOUT writes zeroes as data if the daemon does not support write zeroes. */
static void answers_fallback(void)
{
	struct dm_user_message m;
	uint64_t zeroed = 0;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_ZEROOUT, 0, 65536, 0);
	while (UNTIL(io->done || ch_poll(fd) & POLLIN) && !io->done) {
		IS(ch_take(fd, &m, NULL, 0), 0, "take");
		if (m.type == DM_USER_REQ_MAP_WRITE)
			zeroed += m.len;
		ch_answer(fd, &m, m.type == DM_USER_REQ_MAP_WRITE ? 0 : DM_USER_RESP_UNSUPPORTED,
			  NULL, 0);
	}
	IS(io_end(io), 0, "BLKZEROOUT succeeds");
	IS(zeroed, 65536, "BLKZEROOUT falls back to writing zeroes");
}

static void answers_bad_seq(void)
{
	struct dm_user_message m, bad;
	uint8_t *buf = abi_buffer(4096);
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	bad = (struct dm_user_message){ .seq = 0 };
	IS(ch_answer(fd, &bad, 0, NULL, 0), -EINVAL, "answer while the channel holds nothing");
	io = io_start(&t, IO_READ, 0, 4096, 0);
	bad.seq = 0;
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "a request waits");
	IS(ch_answer(fd, &bad, 0, NULL, 0), -EINVAL, "answer to a request that is not read yet");
	IS(ch_read(fd, &m, 20), 20, "half of the header");
	IS(ch_answer(fd, &bad, 0, NULL, 0), -EINVAL, "answer to a request that is read in part");
	IS(ch_read(fd, (uint8_t *)&m + 20, 20), 20, "the other half of the header");
	for (uint64_t seq = 1; seq; seq <<= 7) {
		bad.seq = m.seq + seq;
		IS(ch_answer(fd, &bad, 0, NULL, 0), -EINVAL, "an unknown seq, at once");
		IS(ch_answer(fd, &bad, 0, NULL, 11), -EINVAL, "an unknown seq, in pieces");
	}
	OK(dm_word(t.name, "refused:") >= 10, "refused answers are counted");
	OK(!io->done, "no refused answer reached the request");
	abi_fill(buf, 4096, 4);
	IS(ch_answer(fd, &m, 0, buf, 0), 0, "the channel is still usable");
	io_end_read(io, 4);
	IS(ch_answer(fd, &m, 0, buf, 0), -EINVAL, "a second answer");
	IS(answers_one(&t, fd, IO_WRITE, 0), 0, "the channel is usable after a second answer");
	free(buf);
}

static void answers_wrong_channel(void)
{
	uint8_t *buf = abi_buffer(4096);
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int a, b;

	target_create(&t, NULL);
	a = ch_need(&t);
	b = ch_need(&t);
	io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(a, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(ch_answer(b, &m, 0, buf, 0), -EINVAL, "answer on another channel");
	OK(!io->done, "an answer on another channel does not reach the request");
	abi_fill(buf, 4096, 6);
	IS(ch_answer(a, &m, 0, buf, 100), 0, "answer on the channel that read the request");
	io_end_read(io, 6);
	close(a);
	IS(answers_one(&t, b, IO_WRITE, 0), 0, "the other channel is usable");
	free(buf);
}

/* The daemon writes parts of an answer and reads parts of the next request, in turn. */
static void answers_interleaved(void)
{
	struct dm_user_message a, b;
	struct io *first, *second;
	uint8_t *buf = abi_buffer(4096);
	struct target t;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	first = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(fd, &a, DM_USER_REQ_MAP_READ, NULL);
	second = io_start(&t, IO_WRITE, 8192, 4096, 12);
	abi_fill(buf, 4096, 11);
	a.type = DM_USER_RESP_SUCCESS;
	IS(ch_write(fd, &a, sizeof(a)), sizeof(a), "header of the answer");
	IS(ch_write(fd, buf, 1000), 1000, "a part of the answer's payload");
	OK(ch_ready(fd, POLLIN), "the next request comes");
	IS(ch_read(fd, &b, sizeof(b)), sizeof(b), "header of the next request");
	IS(ch_write(fd, buf + 1000, 3000), 3000, "more of the answer");
	OK(!first->done, "a read that is answered in part is not done");
	IS(ch_write(fd, buf + 4000, 96), 96, "the rest of the answer");
	io_end_read(first, 11);
	IS(ch_read(fd, buf, 4096), 4096, "payload of the write");
	OK(abi_filled(buf, 4096, 12), "the payload of the write is right");
	IS(ch_answer(fd, &b, 0, NULL, 0), 0, "answer");
	IS(io_end(second), 0, "write");
	free(buf);
}

/* The kernel takes an answer before the payload is read, or refuses it and takes it afterwards. */
static void answers_early(void)
{
	struct dm_user_message m, next;
	struct target t;
	struct io *io;
	ssize_t ret;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_WRITE, 0, 4096, 12);
	OK(ch_ready(fd, POLLIN), "a request");
	IS(ch_read(fd, &m, sizeof(m)), sizeof(m), "header of the request");
	ret = ch_answer(fd, &m, DM_USER_RESP_ERROR, NULL, 0);
	OK(ret == 0 || ret == -EINVAL,
	   "an answer before the payload: taken or refused, not %zd", ret);
	if (ret) {
		uint8_t rest[4096];

		IS(ch_read(fd, rest, sizeof(rest)), 4096, "the payload can still be read");
		IS(ch_answer(fd, &m, DM_USER_RESP_ERROR, NULL, 0), 0,
		   "the request can still be answered");
	}
	IS(io_end(io), -EIO, "the write fails");
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	ch_take_type(fd, &next, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(next.seq, m.seq + 1, "the next read begins with a header");
	IS(ch_answer(fd, &next, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "fsync");
}

const struct abi_test abi_answers[] = {
	{ "errors", answers_errors,
	  "ERROR is EIO, UNSUPPORTED is EOPNOTSUPP, NOSPC is ENOSPC, anything else is EIO" },
	{ "nospace_waits", answers_nospace_waits,
	  "nospace:wait hands a write out until there is space; no other request waits" },
	{ "fallback", answers_fallback,
	  "the block layer does without an unsupported write zeroes" },
	{ "bad_seq", answers_bad_seq,
	  "P1: a wrong or second answer gives EINVAL; the channel stays usable" },
	{ "wrong_channel", answers_wrong_channel,
	  "P1: only the channel that read a request can answer it" },
	{ "interleaved", answers_interleaved, "reading and answering do not disturb each other" },
	{ "early", answers_early,
	  "P10: an answer before the payload is read keeps the stream in step" },
	{ NULL, NULL, NULL }
};
