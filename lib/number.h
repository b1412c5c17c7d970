/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers in text from outside. */
#ifndef DMUSER_NUMBER_H
#define DMUSER_NUMBER_H

#include <stdint.h>

/* 0, -EINVAL, or -ERANGE: a decimal number in @min..@max, nothing around it. */
int dmu_number_parse(uint64_t *value, const char *text, uint64_t min, uint64_t max);

#endif
