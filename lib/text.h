/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text from outside, on its way to logs and terminals: one line, and nothing that a terminal obeys. */
#ifndef DMUSER_TEXT_H
#define DMUSER_TEXT_H

#include <stdbool.h>

/* A control character of ASCII. */
bool dmu_text_control(char c);
/* There is none in @text. */
bool dmu_text_valid(const char *text);
/* Those, and those of C1 in UTF-8, become question marks: for whatever goes to a terminal or a log. */
void dmu_text_clean(char *text);

#endif
