/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Thousands of I/Os in flight from one thread, by the kernel's AIO. */
#ifndef SCALE_MANY_H
#define SCALE_MANY_H

#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct target;

struct many {
	int fd;
	aio_context_t context;
	unsigned int count;		/* I/Os there are, of @each bytes, numbered from 0 */
	size_t each;
	uint8_t *bytes;			/* buffer of number i at i * each */
	struct iocb *iocbs;
	struct iocb **pointers;
	uint8_t *done;			/* how often number i has completed since it was submitted */
	unsigned int failed;		/* completions that were no success */
	unsigned int in_flight;
};

/* NEEDs to succeed. */
void many_open(struct many *m, const struct target *t, unsigned int count, size_t each);
/* Numbers @first and on, @n of them; number i goes to block i, or all to block 0. */
void many_submit(struct many *m, unsigned int first, unsigned int n, bool write, bool same_block);
/* Wait for @n completions. False if they don't come. */
bool many_reap(struct many *m, unsigned int n);
/* Completions that are there already; does not wait. */
unsigned int many_reap_now(struct many *m);
void many_close(struct many *m);

#endif
