// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>

#include "handover/ctl.h"

int ctl_number_parse(uint64_t *value, const char *text, uint64_t min, uint64_t max)
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
