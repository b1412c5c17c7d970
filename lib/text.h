/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text from outside, on its way to logs and terminals: one line, and nothing that a terminal obeys. */
#ifndef DMUSER_TEXT_H
#define DMUSER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* How many bytes the control character at @at has, of C0, DEL or C1 (in UTF-8); 0: there is none. */
size_t dmu_text_control(const char *at);
bool dmu_text_valid(const char *text);
/* Each byte of a control character becomes a question mark. */
void dmu_text_clean(char *text);

#endif
