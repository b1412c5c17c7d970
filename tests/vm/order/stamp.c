// SPDX-License-Identifier: GPL-2.0-or-later
#include "stamp.h"

static uint32_t place(uint32_t number, unsigned int i)
{
	uint64_t x = ((uint64_t)number << 16 | i) * 0x9e3779b97f4a7c15ULL;

	return (x ^ x >> 29) >> 16 | 1;
}

void stamp_put(void *block, uint32_t number, uint32_t version)
{
	uint64_t *words = block;

	for (unsigned int i = 0; i < STAMP_BLOCK / 8; i++)
		words[i] = (uint64_t)version << 32 | place(number, i);
}

void stamp_get(const void *block, uint32_t number, struct stamp *stamp)
{
	const uint64_t *words = block;

	*stamp = (struct stamp){ .oldest = UINT32_MAX };
	for (unsigned int i = 0; i < STAMP_BLOCK / 8; i++) {
		uint32_t version = words[i] >> 32;

		if (words[i] && (uint32_t)words[i] != place(number, i))
			stamp->wrong++;
		if (version < stamp->oldest)
			stamp->oldest = version;
		if (version > stamp->newest)
			stamp->newest = version;
	}
}
