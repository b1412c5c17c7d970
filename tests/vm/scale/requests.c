// SPDX-License-Identifier: GPL-2.0-or-later
/* Many requests of one device. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "tests/vm/scale/scale.h"

#define EACH	512
#define WRITES	(SCALE_REQUESTS / 2)	/* the first of them; the others read */
#define ORPHANS	3000

/* A daemon that holds its requests. A request is for block number `sector`, and EACH bytes long. */
struct holder {
	int fd;
	unsigned int count;
	struct dm_user_message held[SCALE_REQUESTS];
};

static struct holder *holder_new(const struct target *t)
{
	struct holder *h = calloc(1, sizeof(*h));

	NEED(h, "memory");
	h->fd = ch_need(t);
	return h;
}

static void holder_take(struct holder *h, unsigned int count)
{
	uint8_t data[EACH];
	struct dm_user_message *m;

	for (unsigned int i = 0; i < count; i++) {
		m = &h->held[h->count++];
		NEED(ch_read(h->fd, m, sizeof(*m)) == sizeof(*m), "take request %u", i);
		NEED(m->len == EACH && m->sector < SCALE_REQUESTS, "a request as sent");
		if (m->type == DM_USER_REQ_MAP_READ)
			continue;
		NEED(ch_read(h->fd, data, EACH) == EACH, "take its data");
		OK(abi_filled(data, EACH, m->sector), "block %llu", (unsigned long long)m->sector);
	}
}

static void holder_answer(struct holder *h, unsigned int i)
{
	struct {
		struct dm_user_message m;
		uint8_t data[EACH];
	} answer = { .m.seq = h->held[i].seq };
	size_t len = sizeof(answer);

	if (h->held[i].type == DM_USER_REQ_MAP_READ)
		abi_fill(answer.data, EACH, h->held[i].sector);
	else
		len = sizeof(answer.m);
	IS(ch_write(h->fd, &answer, len), len, "answer");
}

/* Answer in an order that is unlike that of arrival. */
static void holder_answer_all(struct holder *h)
{
	unsigned int step = 7919;	/* a prime that divides no count here */

	for (unsigned int i = 0; i < h->count; i++)
		holder_answer(h, (unsigned long)i * step % h->count);
	h->count = 0;
}

static void holder_free(struct holder *h)
{
	close(h->fd);
	free(h);
}

static void all_ended_once(const struct many *many)
{
	unsigned int wrong = 0;

	IS(many->failed, 0, "errors");
	for (unsigned int i = 0; i < many->count; i++)
		wrong += many->done[i] != 1 || !abi_filled(many->bytes + i * EACH, EACH, i);
	IS(wrong, 0, "I/Os that did not end once, or lack their data");
}

void scale_waiting(unsigned int rounds)
{
	struct holder *first, *second, *third;
	struct many many;
	struct target t;

	scale_target(&t, 0);
	many_open(&many, &t, SCALE_REQUESTS, EACH);
	for (unsigned int i = 0; i < WRITES; i++)
		abi_fill(many.bytes + i * EACH, EACH, i);
	many_submit(&many, 0, WRITES, true, false);
	many_submit(&many, WRITES, SCALE_REQUESTS - WRITES, false, false);
	IS(dm_word(t.name, "queued:"), SCALE_REQUESTS, "queued with no daemon");
	IS(many_reap_now(&many), 0, "ended with no daemon");

	first = holder_new(&t);
	second = holder_new(&t);
	third = holder_new(&t);
	holder_take(first, ORPHANS);
	holder_take(second, ORPHANS);
	holder_free(first);
	IS(dm_word(t.name, "queued:"), SCALE_REQUESTS - ORPHANS, "queued after the first closed");
	holder_take(third, SCALE_REQUESTS - ORPHANS);
	IS(dm_word(t.name, "queued:"), 0, "queued");
	IS(dm_word(t.name, "held:"), SCALE_REQUESTS, "held");
	IS(many_reap_now(&many), 0, "ended with no answer");
	holder_answer_all(third);
	holder_answer_all(second);
	NEED(many_reap(&many, SCALE_REQUESTS), "all I/Os end");
	IS(many_reap_now(&many), 0, "ended once more");
	all_ended_once(&many);
	IS(dm_word(t.name, "held:"), 0, "held at the end");
	IS(dm_word(t.name, "requeued:"), ORPHANS, "requeued");
	IS(dm_word(t.name, "writes:"), WRITES, "writes");
	IS(dm_word(t.name, "reads:"), SCALE_REQUESTS - WRITES, "reads");
	holder_free(second);
	holder_free(third);
	many_close(&many);
	target_remove(&t);
}

/* All I/Os are writes, to one block or each to its own; DM sends again what is revoked. */
static void fenced(bool same_block)
{
	struct holder *old, *new;
	struct many many;
	struct target t;

	scale_target(&t, 0);
	many_open(&many, &t, SCALE_REQUESTS, EACH);
	for (unsigned int i = 0; i < SCALE_REQUESTS; i++)
		abi_fill(many.bytes + i * EACH, EACH, same_block ? 0 : i);
	many_submit(&many, 0, SCALE_REQUESTS, true, same_block);
	old = holder_new(&t);
	new = holder_new(&t);
	holder_take(old, SCALE_REQUESTS);
	IS(dm_suspend(t.name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	IS(dm_resume(t.name, 0), 0, "resume");
	NEED(UNTIL(dm_word(t.name, "queued:") == SCALE_REQUESTS), "all wait");
	IS(dm_word(t.name, "fenced:"), SCALE_REQUESTS, "fenced");
	IS(ch_poll(new->fd) & POLLIN, 0, "a request behind a fence is not handed out");
	/* With one block, the last fenced write is in the way of all. */
	for (unsigned int i = 0; i < 100; i++) {
		holder_answer(old, i);
		IS(ch_poll(new->fd) & POLLIN, same_block ? 0 : POLLIN,
		   "a request that waited, after late answer %u", i);
		if (!same_block)
			holder_take(new, 1);
	}
	IS(dm_word(t.name, "fenced:"), SCALE_REQUESTS - 100, "fenced still");
	holder_free(old);
	IS(dm_word(t.name, "fenced:"), 0, "fenced after the close");
	holder_take(new, SCALE_REQUESTS - new->count);
	holder_answer_all(new);
	NEED(many_reap(&many, SCALE_REQUESTS), "all I/Os end");
	if (same_block)
		IS(many.failed, 0, "errors");
	else
		all_ended_once(&many);
	holder_free(new);
	many_close(&many);
	target_remove(&t);
}

void scale_fenced(unsigned int rounds)
{
	fenced(false);
	fenced(true);
}
