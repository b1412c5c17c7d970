// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The model: what the client may see, given what daemons and administrators did.
 *
 * Time is a counter. Each side notes an action before the system call that performs it: whenever
 * the other side sees the effect, it finds the note.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define ANSWERS		(1U << 17)	/* of an epoch */
#define WORDS		(FZ_SECTOR / sizeof(uint64_t))
#define MAGIC		0x64722d757365725fULL
#define STEP		0x9e3779b97f4a7c15ULL
#define KIND_WRITE	(1ULL << 31)

struct fz_model fz;
static atomic_flag lock = ATOMIC_FLAG_INIT;
static atomic_flag broken = ATOMIC_FLAG_INIT;

void fz_lock(void)
{
	while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire))
		sched_yield();
}

void fz_unlock(void)
{
	atomic_flag_clear_explicit(&lock, memory_order_release);
}

uint64_t fz_tick(void)
{
	return atomic_fetch_add_explicit(&fz.clock, 1, memory_order_relaxed) + 1;
}

void fz_event_begin(struct fz_event *e)
{
	atomic_fetch_add(&e->active, 1);
}

void fz_event_end(struct fz_event *e)
{
	atomic_store(&e->last, fz_tick());
	atomic_fetch_sub(&e->active, 1);
}

/* Did such an event happen, at least in part, after @clock? */
bool fz_event_since(const struct fz_event *e, uint64_t clock)
{
	return atomic_load(&e->active) || atomic_load(&e->last) > clock;
}

void fz_stuck(const char *what)
{
	printf("fuzz: cannot go on: %s: %s\n", what, strerror(errno));
	fz_leave(2);
}

void fz_broken(const struct fz_thread *t, const char *format, ...)
{
	va_list args;

	/* The first report ends the run. Other threads that find something must not run on. */
	while (atomic_flag_test_and_set(&broken))
		usleep(1000000);
	printf("BROKEN seed %016" PRIx64 " epoch %" PRIu64 " round %" PRIu64
	       " thread %u operation %u: ", fz.seed, fz.epoch, fz.round, t->id, t->at);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fz_client_show(stdout);
	fz_show_round(stdout);
	fz_leave(1);
}

void fz_model_reset(void)
{
	if (!fz.answers) {
		fz.answers = calloc(ANSWERS, sizeof(*fz.answers));
		fz.writes = calloc(ANSWERS, sizeof(*fz.writes));
		if (!fz.answers || !fz.writes)
			fz_stuck("memory");
	}
	fz.salt = fz_mix(fz.epoch_seed) << 32;
	fz.answer_count = fz.write_count = 1;
	memset(fz.sector, 0, sizeof(fz.sector));
	for (unsigned int i = 0; i < FZ_SECTORS; i++)
		fz.sector[i].certain = true;
	fz.flush_error = fz.seq_max = 0;
	fz.fail = fz.revoke = (struct fz_event){ 0 };
	fz.excused = fz.drained = fz.revoked = fz.wiped = fz.loose = false;
	fz.stores = true;
	memset(fz.answered, 0, sizeof(fz.answered));
	fz.errors = fz.unsupported = fz.refused = 0;
}

void fz_stamp(void *sector_data, uint64_t token, uint64_t sector, uint64_t store)
{
	uint64_t base = fz_mix(token ^ sector * STEP ^ store);
	uint64_t *word = sector_data;

	for (unsigned int i = 3; i < WORDS; i++)
		word[i] = base + i * STEP;
	word[0] = token ^ MAGIC;
	word[1] = sector;
	word[2] = store;
}

bool fz_stamped(const void *sector_data, uint64_t *token, uint64_t sector, uint64_t *store)
{
	const uint64_t *word = sector_data;
	uint64_t base, wrong = 0;

	*token = word[0] ^ MAGIC;
	*store = word[2];
	base = fz_mix(*token ^ sector * STEP ^ *store);
	for (unsigned int i = 3; i < WORDS; i++)
		wrong |= word[i] ^ (base + i * STEP);
	return !wrong && word[1] == sector;
}

uint64_t fz_answer_new(unsigned int sector, unsigned int count)
{
	unsigned int i;

	fz_lock();
	i = fz.answer_count;
	if (i < ANSWERS)
		fz.answer_count++;
	else
		i = 0;
	if (i)
		fz.answers[i] = (struct fz_answer){ .sector = sector, .count = count,
						    .born = fz_tick() };
	fz_unlock();
	return i ? fz.salt | i : 0;
}

struct fz_answer *fz_answer_find(uint64_t token)
{
	uint32_t i = token;

	if (token >> 32 != fz.salt >> 32 || !i || i >= fz.answer_count)
		return NULL;
	return &fz.answers[i];
}

uint64_t fz_write_new(unsigned int sector, unsigned int count)
{
	unsigned int i = fz.write_count;

	if (i == ANSWERS)
		return 0;
	fz.write_count++;
	fz.writes[i] = (struct fz_write){ .sector = sector, .count = count, .born = fz_tick() };
	return fz.salt | KIND_WRITE | i;
}

struct fz_write *fz_write_find(uint64_t token)
{
	uint32_t i = token;

	if (token >> 32 != fz.salt >> 32 || !(i & KIND_WRITE) ||
	    (i & ~KIND_WRITE) >= fz.write_count)
		return NULL;
	return &fz.writes[i & ~KIND_WRITE];
}

void fz_write_begin(const struct fz_write *w)
{
	for (unsigned int i = w->sector; i < w->sector + w->count; i++) {
		struct fz_sector *s = &fz.sector[i];

		if (s->pending++)
			s->mixed = true;
		s->last_submit = w->born;
	}
}

/* A sector's content is certain after a successful write that no other write overlapped. */
void fz_write_end(uint64_t token, struct fz_write *w, bool good)
{
	uint64_t now = fz_tick();

	w->done = now;
	for (unsigned int i = w->sector; i < w->sector + w->count; i++) {
		struct fz_sector *s = &fz.sector[i];

		s->pending--;
		s->certain = good && !s->mixed;
		s->known = token;
		s->since = now;
		if (!s->pending)
			s->mixed = false;
	}
}

void fz_store_apply(unsigned int sector, unsigned int count, uint64_t token)
{
	for (unsigned int i = sector; i < sector + count && i < FZ_SECTORS; i++)
		fz.sector[i].store = token;
}

/* A daemon is about to answer with an error. */
void fz_store_error(unsigned int type, unsigned int sector, unsigned int count)
{
	uint64_t now = fz_tick();

	if (type == DM_USER_REQ_MAP_FLUSH)
		fz.flush_error = now;
	for (unsigned int i = sector; i < sector + count && i < FZ_SECTORS; i++)
		fz.sector[i].last_error = now;
}
