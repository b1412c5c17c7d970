// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs: what each thread does in a round. A program is described by a seed alone, or by a
 * parent in the corpus and the seed of its mutation. So a few lines of log describe a long run.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define CORPUS_MAX	4096

static struct fz_program *corpus[CORPUS_MAX];
static unsigned int corpus_count;

static void run_yield(struct fz_thread *t, const struct fz_op *op)
{
	sched_yield();
}

/* Make the n-th allocation or copy fail in this thread's next operation on a channel. */
static void run_failing(struct fz_thread *t, const struct fz_op *op)
{
	t->fail_wish = 1 + op->b % 6;
}

const struct fz_kind fz_kinds[] = {
	{ "read", 1800, fz_run_read, false },
	{ "write", 1800, fz_run_write, false },
	{ "fsync", 120, fz_run_fsync, false },
	{ "erase", 120, fz_run_erase, false },
	{ "take", 1500, fz_run_take, true },
	{ "chunk", 700, fz_run_chunk, true },
	{ "readv", 250, fz_run_readv, true },
	{ "hole", 80, fz_run_hole, true },
	{ "wait", 250, fz_run_wait, true },
	{ "answer", 1500, fz_run_answer, true },
	{ "answer-chunk", 700, fz_run_answer_chunk, true },
	{ "answer-hole", 80, fz_run_answer_hole, true },
	{ "junk", 200, fz_run_junk, true },
	{ "serve", 1200, fz_run_serve, false },
	{ "apply", 150, fz_run_apply, false },
	{ "forget", 20, fz_run_forget, false },
	{ "open", 200, fz_run_open, true },
	{ "close", 150, fz_run_close, true },
	{ "new", 80, fz_run_new, true },
	{ "join", 80, fz_run_join, true },
	{ "drain", 50, fz_run_drain, true },
	{ "seal", 15, fz_run_seal, true },
	{ "info", 60, fz_run_info, true },
	{ "ioctl", 40, fz_run_ioctl, true },
	{ "poll", 250, fz_run_poll, true },
	{ "message", 40, fz_run_message, false },
	{ "suspend", 15, fz_run_suspend, false },
	{ "resume", 25, fz_run_resume, false },
	{ "load", 10, fz_run_load, false },
	{ "status", 20, fz_run_status, false },
	{ "refused", 10, fz_run_refused, false },
	{ "wipe", 1, fz_run_wipe, false },
	{ "yield", 300, run_yield, false },
	{ "failing", 60, run_failing, false },
};

const unsigned int fz_kind_count = sizeof(fz_kinds) / sizeof(fz_kinds[0]);

uint64_t fz_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

uint64_t fz_random(uint64_t *state)
{
	return fz_mix(*state += 0x9e3779b97f4a7c15ULL);
}

uint64_t fz_op_random(const struct fz_op *op)
{
	return fz_mix(op->b ^ (uint64_t)op->a << 32 ^ (uint64_t)op->channel << 48);
}

static unsigned int random_kind(uint64_t *state)
{
	static unsigned int sum;
	unsigned int kind, at;

	if (!sum)
		for (kind = 0; kind < fz_kind_count; kind++)
			sum += fz_kinds[kind].weight;
	at = fz_random(state) % sum;
	for (kind = 0; at >= fz_kinds[kind].weight; kind++)
		at -= fz_kinds[kind].weight;
	return kind;
}

static void random_op(struct fz_op *op, uint64_t *state)
{
	uint64_t r = fz_random(state);

	op->kind = random_kind(state);
	op->channel = r >> 56;
	/* Low numbers more often: they select the plain case. */
	op->a = r & 1 ? r >> 40 : (r >> 40) % 8;
	op->b = r >> 8;
}

void fz_program_generate(struct fz_program *p, unsigned int threads, uint64_t seed)
{
	uint64_t state = seed;

	for (unsigned int i = 0; i < FZ_THREADS; i++) {
		p->length[i] = 0;
		if (i >= threads)
			continue;
		p->length[i] = FZ_OPS / 2 + fz_random(&state) % (FZ_OPS / 2 + 1);
		for (unsigned int n = 0; n < p->length[i]; n++)
			random_op(&p->ops[i][n], &state);
	}
}

static void mutate_insert(struct fz_op *ops, unsigned int *length, unsigned int at, uint64_t *state)
{
	if (*length == FZ_OPS)
		--*length;
	memmove(ops + at + 1, ops + at, (*length - at) * sizeof(*ops));
	++*length;
	random_op(&ops[at], state);
}

static void mutate_remove(struct fz_op *ops, unsigned int *length, unsigned int at)
{
	if (*length < 2)
		return;
	--*length;
	memmove(ops + at, ops + at + 1, (*length - at) * sizeof(*ops));
}

static void mutate_copy(struct fz_program *p, unsigned int i, unsigned int at, uint64_t *state)
{
	struct fz_op block[16];
	unsigned int from = fz_random(state) % FZ_THREADS, count = 1 + fz_random(state) % 16, start;

	start = fz_random(state) % p->length[from];
	if (count > p->length[from] - start)
		count = p->length[from] - start;
	if (count > p->length[i] - at)
		count = p->length[i] - at;
	memcpy(block, &p->ops[from][start], count * sizeof(*block));
	memcpy(&p->ops[i][at], block, count * sizeof(*block));
}

static void mutate_once(struct fz_program *p, uint64_t *state)
{
	/* The first threads more often: the others do not always run. */
	unsigned int i = fz_random(state) % (1U << fz_random(state) % 4), at;
	struct fz_op *op;

	at = fz_random(state) % p->length[i];
	op = &p->ops[i][at];
	switch (fz_random(state) % 8) {
	case 0:
	case 1:
		random_op(op, state);
		break;
	case 2:
		op->b = fz_random(state);
		break;
	case 3:
		op->a ^= 1 << fz_random(state) % 16;
		break;
	case 4:
		op->channel = fz_random(state);
		break;
	case 5:
		mutate_insert(p->ops[i], &p->length[i], at, state);
		break;
	case 6:
		mutate_remove(p->ops[i], &p->length[i], at);
		break;
	default:
		mutate_copy(p, i, at, state);
	}
}

/* A program is for FZ_THREADS threads: this epoch may run more of them than the parent's did. */
void fz_corpus_make(struct fz_program *p, long parent, uint64_t seed)
{
	unsigned int changes;
	uint64_t state = seed;

	if (parent < 0 || parent >= corpus_count) {
		fz_program_generate(p, FZ_THREADS, seed);
		return;
	}
	*p = *corpus[parent];
	changes = 1 + fz_random(&state) % (1U << fz_random(&state) % 6);
	while (changes--)
		mutate_once(p, &state);
}

unsigned int fz_corpus_count(void)
{
	return corpus_count;
}

void fz_corpus_add(const struct fz_program *p, long parent, uint64_t seed, FILE *also)
{
	if (corpus_count == CORPUS_MAX)
		return;
	corpus[corpus_count] = malloc(sizeof(*p));
	if (!corpus[corpus_count])
		fz_stuck("memory");
	*corpus[corpus_count] = *p;
	printf("corpus %u parent %ld seed %016" PRIx64 "\n", corpus_count, parent, seed);
	if (also) {
		fprintf(also, "corpus %u parent %ld seed %016" PRIx64 "\n", corpus_count, parent,
			seed);
		fflush(also);
	}
	corpus_count++;
}

bool fz_corpus_read(const char *path, long *epoch, uint64_t *seed, unsigned int *visible)
{
	FILE *in = fopen(path, "r");
	unsigned int number, count;
	bool found = false;
	uint64_t from, n;
	char line[256];
	long parent;

	if (!in)
		return false;
	while (fgets(line, sizeof(line), in)) {
		static struct fz_program p;
		const char *at = strstr(line, "corpus ");

		if (at && sscanf(at, "corpus %u parent %ld seed %" SCNx64,
				 &number, &parent, &from) == 3 &&
		    number == corpus_count && parent < (long)number) {
			fz_corpus_make(&p, parent, from);
			fz_corpus_add(&p, parent, from, NULL);
		}
		at = strstr(line, "epoch ");
		if (!epoch || !at || sscanf(at, "epoch %" SCNu64 " seed %" SCNx64 " corpus-size %u",
					    &n, &from, &count) != 3)
			continue;
		if (*epoch < 0 || n == (uint64_t)*epoch) {
			*seed = from;
			*visible = count;
			number = n;
			found = true;
			if (*epoch >= 0)
				break;
		}
		fz.epoch = n;
	}
	if (found && *epoch < 0)
		*epoch = fz.epoch;
	fclose(in);
	return found || !epoch;
}

void fz_program_print(FILE *out, const struct fz_program *p, unsigned int threads)
{
	for (unsigned int i = 0; i < threads; i++)
		for (unsigned int n = 0; n < p->length[i]; n++) {
			const struct fz_op *op = &p->ops[i][n];

			fprintf(out, "%u.%u %s %u %u %" PRIu32 "\n", i, n, fz_kinds[op->kind].name,
				op->channel, op->a, op->b);
		}
}
