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
	unsigned int count;		/* of I/Os, each of @each bytes, numbered from 0 */
	size_t each;
	uint8_t *bytes;			/* buffer of number i at i * each */
	struct iocb *iocbs;
	struct iocb **pointers;
	uint8_t *done;			/* completions of number i since it was submitted */
	unsigned int failed;		/* completions without success */
	unsigned int in_flight;
};

/* NEEDs to succeed. */
void many_open(struct many *m, const struct target *t, unsigned int count, size_t each);
/* Submit @n I/Os from number @first on: number i to block i, or all of them to block 0. */
void many_submit(struct many *m, unsigned int first, unsigned int n, bool write, bool same_block);
/* Wait for @n completions. False: they did not come. */
bool many_reap(struct many *m, unsigned int n);
/* Take the completions that have come already, without waiting. Returns their number. */
unsigned int many_reap_now(struct many *m);
void many_close(struct many *m);

#endif
