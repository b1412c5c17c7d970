/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks that identify themselves. Each word has the version and, hashed, its place. So a block
 * of two versions shows both: pages may change while they are written back.
 */
#ifndef ORDER_STAMP_H
#define ORDER_STAMP_H

#include <stdint.h>

#define STAMP_BLOCK	4096

struct stamp {
	uint32_t oldest, newest;	/* versions found; 0: never written */
	uint32_t wrong;			/* words that are of no version of this block */
};

void stamp_put(void *block, uint32_t number, uint32_t version);
void stamp_get(const void *block, uint32_t number, struct stamp *stamp);

#endif
