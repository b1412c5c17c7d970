/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dmuserctl's errors, and JSON in general. */
#ifndef DMU_CTL_OUTPUT_H
#define DMU_CTL_OUTPUT_H

#include <jansson.h>

/* Print "dmuserctl: ..." on stderr. */
void ctl_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Print and release @json. Return an exit status; without memory, print an error first. */
int ctl_json_print(json_t *json);
/* A JSON string of bytes from outside, which need not be UTF-8. */
json_t *ctl_json_text(const char *text);

#endif
