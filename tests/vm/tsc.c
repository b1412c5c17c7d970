// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Print the rate of this machine's time stamp counter in kHz; under TCG, a guest's counter has the
 * same rate. A guest that measures it on a busy host can be wrong by any factor, and with it the
 * guest's clock. Print nothing if there is no such counter.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define SPAN_NS	100000000
#define TRIES	32

#ifdef __x86_64__
#include <x86intrin.h>

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Read both clocks at one moment: the quickest of several reads. */
static void look(uint64_t *ticks, uint64_t *ns)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = __rdtsc(), now = now_ns(), after = __rdtsc();

		if (after - before >= least)
			continue;
		least = after - before;
		*ticks = before + least / 2;
		*ns = now;
	}
}

int main(void)
{
	uint64_t ticks[2] = { 0 }, ns[2] = { 0 };

	look(&ticks[0], &ns[0]);
	nanosleep(&(struct timespec){ .tv_nsec = SPAN_NS }, NULL);
	look(&ticks[1], &ns[1]);
	printf("%.0f\n", (double)(ticks[1] - ticks[0]) * 1e6 / (double)(ns[1] - ns[0]));
	return 0;
}
#else
int main(void)
{
	return 0;
}
#endif
