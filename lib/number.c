// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>

#include "lib/number.h"

int dmu_number_parse(uint64_t *value, const char *text, uint64_t min, uint64_t max)
{
	unsigned long long number;
	char *end;

	/* strtoull() takes signs and blanks. */
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || number < min || number > max)
		return -ERANGE;
	*value = number;
	return 0;
}
