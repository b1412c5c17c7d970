/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text from outside for logs and terminals: one line, without codes that a terminal obeys. */
#ifndef DMUSER_TEXT_H
#define DMUSER_TEXT_H

#include <stdbool.h>

/* True for an ASCII control character. */
bool dmu_text_control(char c);
/* True if @text has no ASCII control character. */
bool dmu_text_valid(const char *text);
/* Replace ASCII control characters, and those of C1 in UTF-8, by question marks. */
void dmu_text_clean(char *text);

#endif
