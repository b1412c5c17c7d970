/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many of everything: see main.c for what there is. */
#ifndef SCALE_H
#define SCALE_H

#include "tests/vm/abi/abi.h"
#include "tests/vm/scale/many.h"

#define SCALE_TARGETS	64
#define SCALE_CHANNELS	256
#define SCALE_REQUESTS	10000
#define SCALE_THREADS	100

/* One run of each; @rounds as given on the command line. */
void scale_channels(unsigned int rounds);
void scale_sleepers(unsigned int rounds);
void scale_waiting(unsigned int rounds);
void scale_fenced(unsigned int rounds);
void scale_threads(unsigned int rounds);
void scale_churn(unsigned int rounds);
void scale_numbers(unsigned int rounds);

/* Name and node of target @number. */
void scale_target(struct target *t, unsigned int number);

/* leak.c: the objects of each of the kernel's slab caches. */
struct leak;
struct leak *leak_begin(void);
/* No cache has @limit objects and a slab more than at the beginning; waits until that is so. Frees. */
bool leak_end(struct leak *leak, unsigned int limit);

#endif
