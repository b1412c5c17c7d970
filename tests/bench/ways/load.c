// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The load: THREADS threads, each with at most one I/O in flight, and one due every PERIOD_NS. The
 * time of an I/O counts from when it was due, not from when its thread submitted it. Otherwise a
 * stall would hide every I/O that had to wait for its thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/ways/ways.h"

#define THREADS		4
#define PERIOD_NS	2000000
#define BLOCK		4096
#define LATE_NS		10000000	/* later than this is not calm */
#define SAMPLES		(1 << 17)	/* of a thread: room for four minutes */

struct sample {
	uint64_t due_ns, took_ns;
	uint32_t window;
	bool error;
};

struct worker {
	pthread_t thread;
	unsigned int number;
	uint64_t random;
	int fd;
	void *buf;
	_Atomic uint64_t due_ns;	/* of the I/O in flight, or the next */
	struct sample *samples;
	unsigned int count;
};

static struct worker workers[THREADS];
static atomic_bool stop;
static atomic_uint window_now;

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec at = { ns / 1000000000, ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

void nap_ms(unsigned int ms)
{
	sleep_until(now_ns() + ms * 1000000ULL);
}

/* The same numbers in every run. */
static uint64_t worker_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static bool worker_io(struct worker *w)
{
	uint64_t random = worker_random(w);
	off_t offset = random / 2 % (STORE_BYTES / BLOCK) * BLOCK;

	if (random & 1)
		return pwrite(w->fd, w->buf, BLOCK, offset) == BLOCK;
	return pread(w->fd, w->buf, BLOCK, offset) == BLOCK;
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	uint64_t due = now_ns() + PERIOD_NS / THREADS * w->number;
	struct sample *s;

	for (; !stop && w->count < SAMPLES; due += PERIOD_NS) {
		w->due_ns = due;
		sleep_until(due);
		s = &w->samples[w->count++];
		s->due_ns = due;
		s->window = window_now;
		s->error = !worker_io(w);
		s->took_ns = now_ns() - due;
	}
	return NULL;
}

void load_start(const char *device)
{
	stop = false;
	window_now = 0;
	for (unsigned int i = 0; i < THREADS; i++) {
		struct worker *w = &workers[i];

		w->number = i;
		w->random = 88172645463325252ULL + i;
		w->count = 0;
		w->due_ns = ~0ULL;
		w->fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
		NEED(w->fd >= 0, "open %s: %s", device, strerror(errno));
		if (!w->buf)
			w->buf = abi_buffer(BLOCK);
		/* abi_buffer() touches every page before the load needs it. */
		if (!w->samples)
			w->samples = abi_buffer(SAMPLES * sizeof(*w->samples));
		NEED(!pthread_create(&w->thread, NULL, worker_run, w), "a thread");
	}
}

bool load_calm(unsigned int patience_ms)
{
	uint64_t end = now_ns() + patience_ms * 1000000ULL;
	unsigned int calm = 0;

	/* Twice in a row: a thread that catches up looks calm between two of its I/Os. */
	while (calm < 2 && now_ns() < end) {
		uint64_t now = now_ns();
		bool late = false;

		for (unsigned int i = 0; i < THREADS; i++)
			late |= workers[i].due_ns + LATE_NS < now;
		calm = late ? 0 : calm + 1;
		nap_ms(2);
	}
	return calm >= 2;
}

void load_window(unsigned int window)
{
	window_now = window;
}

void load_stop(void)
{
	stop = true;
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		close(workers[i].fd);
		NEED(workers[i].count < SAMPLES, "room for the samples");
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void line(const char *way, const char *word, const char *what, uint64_t value)
{
	printf("%s\t%s\t%s\t%llu\n", way, word, what, (unsigned long long)value);
}

/* The smallest time that @of_100000 of 100,000 I/Os do not exceed. */
static void line_percentile(const char *way, const char *word, const uint64_t *sorted, size_t count,
			    unsigned int of_100000)
{
	size_t rank = ((uint64_t)count * of_100000 + 99999) / 100000;
	char what[32];

	snprintf(what, sizeof(what), "p%g", of_100000 / 1000.0);
	line(way, word, what, sorted[rank - 1]);
}

void load_report(const char *way, const char *word, unsigned int first)
{
	static const unsigned int points[] = { 50000, 90000, 95000, 99000, 99500, 99900, 99950,
					       99990, 100000 };
	static uint64_t took[THREADS * SAMPLES], longest[1000];
	unsigned int last = 0;
	size_t count = 0, errors = 0;

	memset(longest, 0, sizeof(longest));
	for (unsigned int i = 0; i < THREADS; i++) {
		for (unsigned int j = 0; j < workers[i].count; j++) {
			const struct sample *s = &workers[i].samples[j];

			if (s->window < first || (s->window - first) % 2)
				continue;
			NEED(s->window < 1000, "a window");
			took[count++] = s->took_ns;
			errors += s->error;
			if (s->took_ns > longest[s->window])
				longest[s->window] = s->took_ns;
			if (s->window > last)
				last = s->window;
		}
	}
	NEED(count, "%s: I/Os were measured", way);
	qsort(took, count, sizeof(*took), compare);
	line(way, word, "ios", count);
	line(way, word, "errors", errors);
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++)
		line_percentile(way, word, took, count, points[i]);
	for (unsigned int i = first; i <= last; i += 2)
		line(way, word, "stall", longest[i]);
}
