// SPDX-License-Identifier: LGPL-2.1-or-later
/* Text from outside, on its way to logs and terminals: one line, and nothing that a terminal obeys. */
#include <string.h>

#include "lib/text.h"

size_t dmu_text_control(const char *at)
{
	const unsigned char *c = (const unsigned char *)at;

	if (*c < ' ')
		return *c != 0;
	if (*c == 0x7f)
		return 1;
	/* U+0080 to U+009F, in UTF-8; a byte alone is none, where terminals speak that. */
	return c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f ? 2 : 0;
}

bool dmu_text_valid(const char *text)
{
	for (; *text; text++)
		if (dmu_text_control(text))
			return false;
	return true;
}

void dmu_text_clean(char *text)
{
	for (; *text; text++)
		memset(text, '?', dmu_text_control(text));
}
