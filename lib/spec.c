// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Parses BACKEND:SOURCE[,option...], the form on a kernel command line, in a dmusertab and in an
 * OFFER. Every refusal names the faulty part.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dmuser.h"
#include "lib/text.h"

#define BACKEND_CHARACTERS	"abcdefghijklmnopqrstuvwxyz0123456789_-"

#define MAX_CHANNELS	64

struct parse {
	struct dmu_spec *spec;
	char *error;
	size_t len;
	unsigned int given;	/* bits of options[].once so far */
	bool buffered;		/* it was given, not the default */
};

__attribute__((format(printf, 2, 3)))
static int refuse(const struct parse *parse, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(parse->error, parse->len, format, args);
	va_end(args);
	/* The line quotes hostile input, and goes to terminals and the kernel log. */
	if (parse->len)
		dmu_text_clean(parse->error);
	return -EINVAL;
}

static int set_read_only(struct parse *parse, const char *key, const char *value)
{
	parse->spec->read_only = !strcmp(key, "ro");
	return 0;
}

static int set_cache(struct parse *parse, const char *key, const char *value)
{
	parse->spec->cache = !strcmp(key, "direct") ? DMU_DIRECT : DMU_BUFFERED;
	parse->buffered = !strcmp(key, "buffered");
	return 0;
}

/* Parse a decimal number of at most @max, without sign or blanks. */
static bool parse_number(const char *text, unsigned long max, unsigned long *number)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*number = strtoul(text, &end, 10);
	return !errno && !*end && *number <= max;
}

static int set_extents(struct parse *parse, const char *key, const char *value)
{
	if (strcmp(value, "on") && strcmp(value, "off"))
		return refuse(parse, "option 'extents=%s': not on or off", value);
	parse->spec->extents = !strcmp(value, "on") ? DMU_EXTENTS_ON : DMU_EXTENTS_NEVER;
	return 0;
}

static int set_channels(struct parse *parse, const char *key, const char *value)
{
	unsigned long number;

	if (!parse_number(value, MAX_CHANNELS, &number) || !number)
		return refuse(parse, "option 'channels=%s': not a number from 1 to %d", value,
			      MAX_CHANNELS);
	parse->spec->channels = number;
	return 0;
}

/* The kernel would refuse a bad value, too, but give the reason only in its log. */
static bool table_value_valid(const char *key, const char *value)
{
	unsigned long number;

	if (!strcmp(key, "orphans"))
		return !strcmp(value, "requeue") || !strcmp(value, "fail");
	if (!strcmp(key, "nospace"))
		return !strcmp(value, "fail") || !strcmp(value, "wait");
	if (!strcmp(key, "nodaemon") && strcmp(value, "wait"))
		return !strncmp(value, "fail:", 5) && parse_number(value + 5, INT_MAX, &number);
	if (!strcmp(key, "nodaemon"))
		return true;
	if (!strcmp(key, "max_io"))
		return parse_number(value, 16UL << 20, &number) && number >= 4096;
	if (strstr(key, "_block_size"))
		return parse_number(value, 4096, &number) && number >= 512 &&
		       !(number & (number - 1));
	return !strcmp(value, "on") || !strcmp(value, "off");
}

static int add_table_arg(struct parse *parse, const char *key, const char *value)
{
	char *args = parse->spec->table_args;
	size_t room = sizeof(parse->spec->table_args), used = strlen(args);
	int n;

	if (!table_value_valid(key, value))
		return refuse(parse, "option '%s=%s': bad value", key, value);
	n = snprintf(args + used, room - used, "%s%s:%s", used ? " " : "", key, value);
	if (n < 0 || (size_t)n >= room - used)
		return refuse(parse, "option '%s': too many table arguments", key);
	return 0;
}

static const struct {
	const char *key;
	bool has_value;
	unsigned int once;	/* only one option of those with the same bit may be given */
	int (*set)(struct parse *parse, const char *key, const char *value);
} options[] = {
	{ "ro", false, 1 << 0, set_read_only },
	{ "rw", false, 1 << 0, set_read_only },
	{ "direct", false, 1 << 1, set_cache },
	{ "buffered", false, 1 << 1, set_cache },
	{ "channels", true, 1 << 2, set_channels },
	{ "orphans", true, 1 << 3, add_table_arg },
	{ "nodaemon", true, 1 << 4, add_table_arg },
	{ "discard", true, 1 << 5, add_table_arg },
	{ "write_zeroes", true, 1 << 6, add_table_arg },
	{ "secure_erase", true, 1 << 7, add_table_arg },
	{ "logical_block_size", true, 1 << 8, add_table_arg },
	{ "physical_block_size", true, 1 << 9, add_table_arg },
	{ "max_io", true, 1 << 10, add_table_arg },
	{ "nospace", true, 1 << 11, add_table_arg },
	{ "extents", true, 1 << 12, set_extents },
};

static int parse_option(struct parse *parse, char *option)
{
	char *value = strchr(option, '=');
	size_t i;

	if (value)
		*value++ = '\0';
	if (!*option)
		return refuse(parse, "empty option (a stray comma?)");
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(option, options[i].key))
			continue;
		if (options[i].has_value && (!value || !*value))
			return refuse(parse, "option '%s' needs a value", option);
		if (!options[i].has_value && value)
			return refuse(parse, "option '%s' takes no value", option);
		if (parse->given & options[i].once)
			return refuse(parse, "option '%s' repeats or contradicts an earlier one",
				      option);
		parse->given |= options[i].once;
		return options[i].set(parse, option, value);
	}
	return refuse(parse, "unknown option '%s'", option);
}

/* What the kernel maps passes the page cache by, and fails where the store has no space. */
static int check_extents(const struct parse *parse)
{
	bool waits = strstr(parse->spec->table_args, "nospace:wait");

	if (!parse->buffered && !waits)
		return 0;
	if (parse->spec->extents == DMU_EXTENTS_ON)
		return refuse(parse, "options '%s' and 'extents=on' contradict each other",
			      parse->buffered ? "buffered" : "nospace=wait");
	if (parse->spec->extents == DMU_EXTENTS_AUTO)
		parse->spec->extents = DMU_EXTENTS_OFF;
	return 0;
}

static int parse_options(struct parse *parse, const char *text)
{
	char copy[DMU_SPEC_MAX], *next = copy, *option;
	int rc;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((option = strsep(&next, ","))) {
		rc = parse_option(parse, option);
		if (rc)
			return rc;
	}
	return check_extents(parse);
}

/* Unescape SOURCE, and move *@text behind it, to the comma or the NUL. */
static int parse_source(struct parse *parse, const char **text)
{
	char *out = parse->spec->source;
	const char *in = *text;

	/* The source fits: it is no longer than the text, which check_text() has measured. */
	for (; *in && *in != ','; in++) {
		if (*in == '\\' && (!*++in || !strchr(",\\ ", *in)))
			return refuse(parse, "bad escape in '%.200s': not \\, \\\\ or '\\ '",
				      *text);
		*out++ = *in;
	}
	*out = '\0';
	if (out == parse->spec->source)
		return refuse(parse, "no source after '%s:'", parse->spec->backend);
	*text = in;
	return 0;
}

/* A blank would end a field of a dmusertab. Control characters are not allowed anywhere. */
static int check_text(struct parse *parse, const char *text)
{
	const char *c;

	if (strlen(text) >= DMU_SPEC_MAX)
		return refuse(parse, "longer than %d bytes: '%.40s...'", DMU_SPEC_MAX - 1, text);
	for (c = text; *c; c++) {
		if (dmu_text_control(*c))
			return refuse(parse, "control character (code %d) at byte %d", *c,
				      (int)(c - text));
		if (*c == '\\' && c[1] && strchr(",\\ ", c[1]))
			c++;
		else if (*c == ' ')
			return refuse(parse, "blank in '%.200s': write '\\ '", text);
	}
	return 0;
}

int dmu_spec_parse(struct dmu_spec *spec, const char *text, char *error, size_t len)
{
	struct parse parse = { .spec = spec, .error = error, .len = len };
	const char *rest = text;
	size_t backend_len;
	int rc;

	memset(spec, 0, sizeof(*spec));
	rc = check_text(&parse, text);
	if (rc)
		return rc;
	backend_len = strcspn(text, ":,");
	if (text[backend_len] != ':' || !backend_len)
		return refuse(&parse, "'%.200s' is not BACKEND:SOURCE[,option...]", text);
	if (strspn(text, BACKEND_CHARACTERS) < backend_len)
		return refuse(&parse, "'%.*s' is not the name of a backend (a-z 0-9 _ -)",
			      (int)(backend_len > 200 ? 200 : backend_len), text);
	if (backend_len >= sizeof(spec->backend))
		return refuse(&parse, "unknown backend '%.*s'",
			      (int)(backend_len > 200 ? 200 : backend_len), text);
	memcpy(spec->text, text, strlen(text));
	memcpy(spec->backend, text, backend_len);
	rest += backend_len + 1;
	rc = parse_source(&parse, &rest);
	if (rc || !*rest)
		return rc;
	return parse_options(&parse, rest + 1);
}

/* Copy the next field of *@line to @field (of @size bytes), with a NUL. 1; 0: none; -E2BIG. */
static int next_field(const char **line, char *field, size_t size)
{
	const char *in = *line + strspn(*line, " \t\r\n");
	size_t len = 0;

	if (!*in || *in == '#')
		return 0;
	while (in[len] && !strchr(" \t\r\n", in[len]))
		len += in[len] == '\\' && in[len + 1] ? 2 : 1;
	*line = in + len;
	if (len >= size)
		return -E2BIG;
	memcpy(field, in, len);
	field[len] = '\0';
	return 1;
}

int dmu_tab_parse_line(const char *line, char *name, struct dmu_spec *spec, char *error, size_t len)
{
	struct parse parse = { .spec = spec, .error = error, .len = len };
	char text[DMU_SPEC_MAX], extra[DMU_SPEC_MAX];
	char whole[2 * DMU_SPEC_MAX];
	int rc;

	rc = next_field(&line, extra, sizeof(extra));
	if (!rc)
		return 0;
	if (rc < 0)
		return refuse(&parse, "name longer than %d bytes", DMU_NAME_MAX);
	if (!dmu_name_valid(extra))
		return refuse(&parse, "bad name '%.80s': up to %d of A-Z a-z 0-9 _ . + -", extra,
			      DMU_NAME_MAX);
	memcpy(name, extra, strlen(extra) + 1);
	rc = next_field(&line, text, sizeof(text));
	if (!rc)
		return refuse(&parse, "%s: no BACKEND:SOURCE after the name", name);
	if (rc > 0)
		rc = next_field(&line, extra, sizeof(extra));
	if (rc < 0)
		return refuse(&parse, "%s: field longer than %d bytes", name, DMU_SPEC_MAX - 1);
	snprintf(whole, sizeof(whole), "%s%s%s", text, rc ? "," : "", rc ? extra : "");
	if (rc && next_field(&line, text, sizeof(text)))
		return refuse(&parse, "%s: more than three fields: '%.80s'", name, text);
	rc = dmu_spec_parse(spec, whole, error, len);
	return rc ? rc : 1;
}
