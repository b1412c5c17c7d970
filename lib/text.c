// SPDX-License-Identifier: LGPL-2.1-or-later
/* Text from outside for logs and terminals: one line, without codes that a terminal obeys. */
#include "lib/text.h"

bool dmu_text_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

bool dmu_text_valid(const char *text)
{
	for (; *text; text++)
		if (dmu_text_control(*text))
			return false;
	return true;
}

void dmu_text_clean(char *text)
{
	unsigned char *c;

	for (c = (unsigned char *)text; *c; c++) {
		if (dmu_text_control((char)*c))
			*c = '?';
		/* U+0080 to U+009F in UTF-8. In a path of another encoding they may be letters. */
		if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
			c[0] = c[1] = '?';
	}
}
