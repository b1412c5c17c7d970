/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests with many objects: main.c has the list. */
#ifndef SCALE_H
#define SCALE_H

#include "tests/vm/abi/abi.h"
#include "tests/vm/scale/many.h"

#define SCALE_TARGETS	64
#define SCALE_CHANNELS	256
#define SCALE_REQUESTS	10000
#define SCALE_THREADS	100

/* Run a test once; @rounds as given on the command line. */
void scale_channels(unsigned int rounds);
void scale_sleepers(unsigned int rounds);
void scale_waiting(unsigned int rounds);
void scale_fenced(unsigned int rounds);
void scale_threads(unsigned int rounds);
void scale_churn(unsigned int rounds);
void scale_numbers(unsigned int rounds);

/* Make target @number, with a name and a node of its own. */
void scale_target(struct target *t, unsigned int number);

/* leak.c: the objects of each of the kernel's slab caches. */
struct leak;
struct leak *leak_begin(void);
/* Wait until no cache has grown by @limit objects and a slab; then true. Frees @leak. */
bool leak_end(struct leak *leak, unsigned int limit);

#endif
