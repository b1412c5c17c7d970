// SPDX-License-Identifier: LGPL-2.1-or-later
/* Parsers of a target's INFO and TABLE status, without the word "user". */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/number.h"
#include "lib/target.h"

#define PARAMS_MAX	8192

#define FIELD(name)	{ #name, offsetof(struct dmu_target_status, name) }

static const struct {
	const char *key;
	size_t offset;			/* of an uint64_t */
} status_fields[] = {
	FIELD(queued), FIELD(held), FIELD(fenced), FIELD(oldest_ms),
	FIELD(channels), FIELD(generation), FIELD(sealed), FIELD(suspended), FIELD(daemon),
	FIELD(reads), FIELD(writes), FIELD(flushes), FIELD(discards), FIELD(secure_erases),
	FIELD(write_zeroes), FIELD(errors), FIELD(unsupported), FIELD(requeued), FIELD(failed),
	FIELD(refused), FIELD(nospace), FIELD(android), FIELD(extents), FIELD(mapped),
	FIELD(clean), FIELD(mapped_reads), FIELD(mapped_writes), FIELD(mapped_others),
	FIELD(remapped), FIELD(pinned), FIELD(lost),
};

/* NR,STATE,CHANNELS,HELD,ANSWERED[,additions of a newer kernel] */
static int generation_parse(struct dmu_target_status *status, const char *value)
{
	struct dmu_target_generation generation = { 0 };

	if (sscanf(value, "%" SCNu64 ",%15[a-z],%" SCNu64 ",%" SCNu64 ",%" SCNu64,
		   &generation.number, generation.state, &generation.channels, &generation.held,
		   &generation.answered) != 5)
		return -EINVAL;
	if (status->generation_count < DMU_TARGET_GENERATIONS)
		status->generations[status->generation_count++] = generation;
	return 0;
}

static int status_word_parse(struct dmu_target_status *status, char *word)
{
	char *value = strchr(word, ':');
	size_t i;

	if (!value)
		return 0;
	*value++ = '\0';
	if (!strcmp(word, "gen"))
		return generation_parse(status, value);
	for (i = 0; i < sizeof(status_fields) / sizeof(status_fields[0]); i++) {
		if (strcmp(word, status_fields[i].key))
			continue;
		return dmu_number_parse((uint64_t *)((char *)status + status_fields[i].offset),
					value, 0, UINT64_MAX);
	}
	return 0;
}

int dmu_target_status_parse(struct dmu_target_status *status, const char *params)
{
	char copy[PARAMS_MAX], *word, *next;
	int ret;

	memset(status, 0, sizeof(*status));
	if (strlen(params) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, params);
	for (word = strtok_r(copy, " \n", &next); word; word = strtok_r(NULL, " \n", &next)) {
		ret = status_word_parse(status, word);
		if (ret)
			return -EINVAL;
	}
	return 0;
}

const struct dmu_target_generation *dmu_target_serving(const struct dmu_target_status *status)
{
	const struct dmu_target_generation *newest = NULL;
	unsigned int i;

	for (i = 0; i < status->generation_count; i++) {
		const struct dmu_target_generation *generation = &status->generations[i];

		if (strcmp(generation->state, "serving") || !generation->channels)
			continue;
		if (!newest || generation->number > newest->number)
			newest = generation;
	}
	return newest;
}

static bool flag_parse(bool *flag, const char *word, const char *key)
{
	size_t len = strlen(key);

	if (strncmp(word, key, len) || word[len] != ':')
		return false;
	*flag = !strcmp(word + len + 1, "on");
	return true;
}

static bool size_parse(uint64_t *size, const char *word, const char *key)
{
	size_t len = strlen(key);

	if (strncmp(word, key, len) || word[len] != ':')
		return false;
	dmu_number_parse(size, word + len + 1, 1, UINT64_MAX);
	return true;
}

static void policy_word_parse(struct dmu_target_policy *policy, const char *word)
{
	if (!strncmp(word, "orphans:", 8)) {
		policy->orphans_fail = !strcmp(word + 8, "fail");
	} else if (!strncmp(word, "nodaemon:", 9)) {
		policy->nodaemon_fail = !strncmp(word + 9, "fail", 4);
		if (policy->nodaemon_fail && word[13] == ':')
			dmu_number_parse(&policy->nodaemon_ms, word + 14, 0, UINT64_MAX);
	} else if (!strncmp(word, "nospace:", 8)) {
		policy->nospace_wait = !strcmp(word + 8, "wait");
	} else if (!strncmp(word, "backing:", 8)) {
		snprintf(policy->backing, sizeof(policy->backing), "%s", word + 8);
	} else if (!strncmp(word, "extents:", 8)) {
		policy->extents = true;
	} else if (!flag_parse(&policy->discard, word, "discard") &&
		   !flag_parse(&policy->write_zeroes, word, "write_zeroes") &&
		   !flag_parse(&policy->secure_erase, word, "secure_erase") &&
		   !size_parse(&policy->logical_block_size, word, "logical_block_size") &&
		   !size_parse(&policy->physical_block_size, word, "physical_block_size")) {
		size_parse(&policy->max_io, word, "max_io");
	}
}

int dmu_target_policy_parse(struct dmu_target_policy *policy, const char *params, bool android)
{
	char copy[PARAMS_MAX], *word, *next;
	unsigned int i;

	memset(policy, 0, sizeof(*policy));
	policy->android = android;
	policy->orphans_fail = android;
	policy->nodaemon_fail = android;
	policy->discard = true;
	policy->write_zeroes = !android;
	policy->logical_block_size = 512;
	policy->max_io = 1 << 20;
	if (strlen(params) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, params);
	for (i = 0, word = strtok_r(copy, " \n", &next); word;
	     i++, word = strtok_r(NULL, " \n", &next)) {
		if (i == 2) {
			if (strlen(word) >= sizeof(policy->ctl))
				return -EINVAL;
			strcpy(policy->ctl, word);
		} else if (i > 3) {
			policy_word_parse(policy, word);
		}
	}
	if (!policy->physical_block_size)
		policy->physical_block_size = policy->logical_block_size;
	return policy->ctl[0] ? 0 : -EINVAL;
}
