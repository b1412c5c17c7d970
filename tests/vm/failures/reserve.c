// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory has run out for good. A daemon that answers a request before it reads the next gets each
 * at once, by the channel's reserve. A daemon that reads a second request first gets -ENOMEM, and
 * the request after it has answered the first.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "failures.h"

struct reader {
	const struct target *t;
	unsigned int rounds;
	unsigned int wrong;
};

/* The client, which has memory. */
static void *reader_thread(void *arg)
{
	struct reader *r = arg;
	uint8_t *buf = abi_buffer(4096);
	int fd = open(r->t->dev, O_RDONLY | O_DIRECT | O_CLOEXEC);

	for (unsigned int i = 0; i < r->rounds; i++) {
		bool good = pread(fd, buf, 4096, (i % 512) * 4096) == 4096 &&
			    abi_filled(buf, 4096, i % 512);

		r->wrong += !good;
	}
	close(fd);
	return NULL;
}

static void starve(int fd, bool on)
{
	NEED(pwrite(fd, on ? "1" : "0", 1, 0) == 1, "set make-it-fail: %s", strerror(errno));
}

static int answer_read(int fd, const struct dm_user_message *m, uint8_t *buf)
{
	struct dm_user_message *answer = (void *)buf;
	ssize_t len = sizeof(*m) + m->len, put;

	*answer = (struct dm_user_message){ .seq = m->seq, .type = DM_USER_RESP_SUCCESS };
	abi_fill(answer->buf, m->len, m->sector / 8);
	put = ch_write(fd, buf, len);
	return put == len ? 0 : put < 0 ? put : -EIO;
}

static void one_at_a_time(int fd, int starved, struct reader *r)
{
	unsigned int refused = 0, bad = 0;
	uint8_t *buf = abi_buffer(8192);
	struct dm_user_message m;
	pthread_t thread;

	NEED(!pthread_create(&thread, NULL, reader_thread, r), "a thread");
	starve(starved, true);
	for (unsigned int i = 0; i < r->rounds; i++) {
		ssize_t got = ch_read(fd, &m, sizeof(m));

		if (got == -ENOMEM) {
			refused++;
			i--;
			if (refused > r->rounds)
				break;
			continue;
		}
		bad += got != sizeof(m) || m.type != DM_USER_REQ_MAP_READ ||
		       answer_read(fd, &m, buf);
	}
	starve(starved, false);
	IS(refused, 0, "reads that said ENOMEM");
	NEED(IS(bad, 0, "requests not read or not answered"), "all requests");
	pthread_join(thread, NULL);
	IS(r->wrong, 0, "reads of the device with an error or wrong bytes");
}

static void two_at_a_time(const struct target *t, int fd, int starved)
{
	uint8_t *buf = abi_buffer(8192);
	struct dm_user_message first, second;
	struct io *io[2];

	io[0] = io_start(t, IO_READ, 0, 4096, 0);
	ch_take_type(fd, &first, DM_USER_REQ_MAP_READ, NULL);
	io[1] = io_start(t, IO_READ, 4096, 4096, 0);
	OK(ch_ready(fd, POLLIN), "a second request comes");
	starve(starved, true);
	IS(ch_read(fd, &second, sizeof(second)), -ENOMEM, "read a second one");
	IS(answer_read(fd, &first, buf), 0, "answer the first");
	IS(ch_read(fd, &second, sizeof(second)), sizeof(second), "then read the second");
	IS(answer_read(fd, &second, buf), 0, "and answer it");
	starve(starved, false);
	io_end_read(io[0], 0);
	io_end_read(io[1], 1);
}

/* failslab must fail always, for tasks that are marked. */
void reserve_run(void)
{
	int starved = open("/proc/thread-self/make-it-fail", O_RDWR | O_CLOEXEC);
	struct reader r = { .rounds = 5000 };
	struct target t;
	int fd;

	NEED(starved >= 0, "make-it-fail: %s", strerror(errno));
	target_create(&t, "");
	fd = ch_need(&t);
	r.t = &t;
	one_at_a_time(fd, starved, &r);
	two_at_a_time(&t, fd, starved);
	close(fd);
	target_remove(&t);
}
