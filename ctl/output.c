// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/args.h"
#include "ctl/output.h"
#include "lib/text.h"
#include "rundir/directory.h"

void ctl_error(const char *format, ...)
{
	char text[2 * DMU_ERROR_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	dmu_text_clean(text);
	fprintf(stderr, "dmuserctl: %s\n", text);
}

int ctl_json_print(json_t *json)
{
	/* ASCII only: control characters are escaped. main() reports a full disk. */
	int ret = json ? json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) : -1;

	json_decref(json);
	if (ret) {
		ctl_error("cannot make the JSON");
		return CTL_FAILED;
	}
	putchar('\n');
	return CTL_DONE;
}

json_t *ctl_json_text(const char *text)
{
	json_t *json = json_string(text);
	char *clean, *at;

	if (json)
		return json;
	/* Not UTF-8: write bytes that are not ASCII as \xNN. */
	clean = malloc(4 * strlen(text) + 1);
	for (at = clean; clean && *text; text++)
		at += sprintf(at, (unsigned char)*text < 0x80 ? "%c" : "\\x%02x",
			      (unsigned char)*text);
	if (clean)
		*at = '\0';
	json = json_string(clean ? clean : "?");
	free(clean);
	return json;
}
