// SPDX-License-Identifier: GPL-2.0-or-later
/* What dmuserctl prints: errors, and a device with its daemon for scripts (JSON) and for people. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/args.h"
#include "ctl/output.h"
#include "ctl/show.h"
#include "lib/dmuser.h"
#include "lib/text.h"

static const char *const state_names[DMU_WIRE_STATE_END] = {
	[DMU_WIRE_SERVING]		= "serving",
	[DMU_WIRE_HANDING_OVER]		= "handing over",
	[DMU_WIRE_STATE_DRAINING]	= "draining",
	[DMU_WIRE_ROLLING_BACK]		= "rolling back",
	[DMU_WIRE_TAKING_OVER]		= "taking over",
};

static const struct {
	uint32_t bit;
	const char *name;
} confinements[] = {
	{ DMU_WIRE_CONFINED_CAPABILITIES, "capabilities" },
	{ DMU_WIRE_CONFINED_PRIVILEGES, "privileges" },
	{ DMU_WIRE_CONFINED_SECCOMP, "seccomp" },
	{ DMU_WIRE_CONFINED_FILESYSTEM, "filesystem" },
	{ DMU_WIRE_CONFINED_MEMORY, "memory" },
	{ DMU_WIRE_CONFINED_DUMPABLE, "undumpable" },
	{ DMU_WIRE_CONFINED_NAMESPACES, "namespaces" },
	{ DMU_WIRE_CONFINED_LANDLOCK, "landlock" },
	{ DMU_WIRE_CONFINED_DESCRIPTORS, "descriptors" },
	{ DMU_WIRE_CONFINED_LIMITS, "limits" },
	{ DMU_WIRE_CONFINED_DOMAIN, "domain" },
};

#define CONFINEMENT_COUNT	(sizeof(confinements) / sizeof(confinements[0]))

static uint64_t requests_sum(const struct dmu_server_stats *stats)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < sizeof(stats->requests) / sizeof(stats->requests[0]); i++)
		sum += stats->requests[i];
	return sum;
}

static const char *state_name(uint32_t state)
{
	return state < DMU_WIRE_STATE_END ? state_names[state] : "unknown";
}

static const char *cache_name(uint32_t cache)
{
	return cache == DMU_DIRECT ? "direct" : "buffered";
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *policy_json(const struct dmu_target_policy *policy)
{
	json_t *json = json_object();

	json_object_set_new(json, "compat", json_string(policy->android ? "android" : "none"));
	json_object_set_new(json, "orphans",
			    json_string(policy->orphans_fail ? "fail" : "requeue"));
	json_object_set_new(json, "nodaemon", json_string(policy->nodaemon_fail ? "fail" : "wait"));
	json_object_set_new(json, "nodaemon_ms",
			    policy->nodaemon_fail ? number(policy->nodaemon_ms) : json_null());
	json_object_set_new(json, "nospace", json_string(policy->nospace_wait ? "wait" : "fail"));
	json_object_set_new(json, "discard", json_boolean(policy->discard));
	json_object_set_new(json, "write_zeroes", json_boolean(policy->write_zeroes));
	json_object_set_new(json, "secure_erase", json_boolean(policy->secure_erase));
	json_object_set_new(json, "logical_block_size", number(policy->logical_block_size));
	json_object_set_new(json, "physical_block_size", number(policy->physical_block_size));
	json_object_set_new(json, "max_io", number(policy->max_io));
	json_object_set_new(json, "backing",
			    policy->backing[0] ? ctl_json_text(policy->backing) : json_null());
	json_object_set_new(json, "extents", json_boolean(policy->extents));
	return json;
}

static json_t *mapped_json(const struct dmu_target_status *status)
{
	json_t *json = json_object();

	json_object_set_new(json, "extents", number(status->extents));
	json_object_set_new(json, "sectors", number(status->mapped));
	json_object_set_new(json, "clean", json_boolean(status->clean));
	json_object_set_new(json, "pinned", json_boolean(status->pinned));
	json_object_set_new(json, "lost", json_boolean(status->lost));
	json_object_set_new(json, "reads", number(status->mapped_reads));
	json_object_set_new(json, "writes", number(status->mapped_writes));
	json_object_set_new(json, "others", number(status->mapped_others));
	json_object_set_new(json, "remapped", number(status->remapped));
	return json;
}

static json_t *counters_json(const struct dmu_target_status *status)
{
	json_t *json = json_object();

	json_object_set_new(json, "reads", number(status->reads));
	json_object_set_new(json, "writes", number(status->writes));
	json_object_set_new(json, "flushes", number(status->flushes));
	json_object_set_new(json, "discards", number(status->discards));
	json_object_set_new(json, "secure_erases", number(status->secure_erases));
	json_object_set_new(json, "write_zeroes", number(status->write_zeroes));
	json_object_set_new(json, "errors", number(status->errors));
	json_object_set_new(json, "unsupported", number(status->unsupported));
	json_object_set_new(json, "requeued", number(status->requeued));
	json_object_set_new(json, "failed", number(status->failed));
	json_object_set_new(json, "refused", number(status->refused));
	return json;
}

static json_t *generations_json(const struct dmu_target_status *status)
{
	json_t *json = json_array();
	unsigned int i;

	for (i = 0; i < status->generation_count; i++) {
		const struct dmu_target_generation *generation = &status->generations[i];
		json_t *row = json_object();

		json_object_set_new(row, "generation", number(generation->number));
		json_object_set_new(row, "state", json_string(generation->state));
		json_object_set_new(row, "channels", number(generation->channels));
		json_object_set_new(row, "held", number(generation->held));
		json_object_set_new(row, "answered", number(generation->answered));
		json_array_append_new(json, row);
	}
	return json;
}

static json_t *confinement_json(uint32_t proved)
{
	json_t *json = json_array();
	size_t i;

	for (i = 0; i < CONFINEMENT_COUNT; i++)
		if (proved & confinements[i].bit)
			json_array_append_new(json, json_string(confinements[i].name));
	return json;
}

static json_t *daemon_json(const struct dmu_listener *daemon)
{
	const struct dmu_wire_confinement *confinement = &daemon->confinement;
	const struct dmu_wire_status *status = &daemon->status;
	json_t *json = json_object();

	json_object_set_new(json, "pid", number(status->pid));
	json_object_set_new(json, "stage", ctl_json_text(status->stage));
	json_object_set_new(json, "version", ctl_json_text(status->version));
	json_object_set_new(json, "state", json_string(state_name(status->state)));
	json_object_set_new(json, "generation", number(status->generation));
	json_object_set_new(json, "since_ms", number(status->since_ms));
	json_object_set_new(json, "backend", ctl_json_text(status->spec));
	json_object_set_new(json, "cache", json_string(cache_name(status->cache)));
	json_object_set_new(json, "channels", number(status->channels));
	json_object_set_new(json, "held", number(status->held));
	json_object_set_new(json, "requests", number(requests_sum(&status->stats)));
	json_object_set_new(json, "errors", number(status->stats.errors));
	json_object_set_new(json, "unsupported", number(status->stats.unsupported));
	json_object_set_new(json, "bytes_read", number(status->stats.bytes_read));
	json_object_set_new(json, "bytes_written", number(status->stats.bytes_written));
	json_object_set_new(json, "locked_bytes", number(daemon->locked_bytes));
	json_object_set_new(json, "confinement", confinement_json(confinement->proved));
	json_object_set_new(json, "seccomp_filters", number(confinement->filters));
	json_object_set_new(json, "landlock", number(confinement->landlock));
	json_object_set_new(json, "domain", confinement->domain[0] ?
					    ctl_json_text(confinement->domain) : json_null());
	return json;
}

static json_t *path_json(const char *dir, const char *name)
{
	char path[sizeof(DMU_NODE_DIR) + 256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return ctl_json_text(path);
}

json_t *ctl_device_json(const struct ctl_device *device, const struct dmu_listener *daemon,
			const char *daemon_error)
{
	const struct dmu_target_generation *serving = dmu_target_serving(&device->kstatus);
	const struct dmu_target_status *kstatus = &device->kstatus;
	json_t *json = json_object(), *queue = json_object();

	json_object_set_new(json, "name", ctl_json_text(device->name));
	json_object_set_new(json, "path", path_json("/dev/mapper", device->name));
	json_object_set_new(json, "uuid", ctl_json_text(device->uuid));
	json_object_set_new(json, "major", number(device->major));
	json_object_set_new(json, "minor", number(device->minor));
	json_object_set_new(json, "sectors", number(device->sectors));
	json_object_set_new(json, "size", number(device->sectors * 512));
	json_object_set_new(json, "open_count", json_integer(device->open_count));
	json_object_set_new(json, "read_only", json_boolean(device->read_only));
	json_object_set_new(json, "suspended", json_boolean(device->suspended));
	json_object_set_new(json, "table", ctl_json_text(device->table));
	json_object_set_new(json, "node", path_json(DMU_NODE_DIR, device->policy.ctl));
	json_object_set_new(json, "policy", policy_json(&device->policy));
	json_object_set_new(json, "sealed", json_boolean(kstatus->sealed));
	json_object_set_new(json, "served", json_boolean(serving != NULL));
	json_object_set_new(json, "generation", serving ? number(serving->number) : json_null());
	json_object_set_new(json, "newest_generation", number(kstatus->generation));
	json_object_set_new(json, "channels", number(kstatus->channels));
	json_object_set_new(json, "generations", generations_json(kstatus));
	json_object_set_new(queue, "queued", number(kstatus->queued));
	json_object_set_new(queue, "held", number(kstatus->held));
	json_object_set_new(queue, "fenced", number(kstatus->fenced));
	json_object_set_new(queue, "nospace", number(kstatus->nospace));
	json_object_set_new(queue, "oldest_ms", number(kstatus->oldest_ms));
	json_object_set_new(json, "queue", queue);
	json_object_set_new(json, "counters", counters_json(kstatus));
	json_object_set_new(json, "mapped", device->policy.extents ? mapped_json(kstatus) :
								     json_null());
	if (daemon || daemon_error)
		json_object_set_new(json, "daemon", daemon ? daemon_json(daemon) : json_null());
	if (daemon_error)
		json_object_set_new(json, "daemon_error", ctl_json_text(daemon_error));
	return json;
}

static void policy_print(const struct dmu_target_policy *policy)
{
	printf("policy      %sorphans are %s, without a daemon requests ",
	       policy->android ? "as Android's driver; " : "",
	       policy->orphans_fail ? "failed" : "requeued");
	if (policy->nodaemon_fail)
		printf("fail after %" PRIu64 " ms%s\n", policy->nodaemon_ms,
		       policy->android && !policy->nodaemon_ms ?
			       " (before the first one, each after 4000 ms)" : "");
	else
		printf("wait\n");
	printf("offers      %s%s%sblocks of %" PRIu64 " (physical %" PRIu64
	       ") bytes, I/O up to %" PRIu64 " bytes\n",
	       policy->discard ? "discard, " : "", policy->write_zeroes ? "write zeroes, " : "",
	       policy->secure_erase ? "secure erase, " : "", policy->logical_block_size,
	       policy->physical_block_size, policy->max_io);
	if (policy->backing[0])
		printf("claims      block device %s\n", policy->backing);
}

static void confinement_print(const struct dmu_wire_confinement *confinement)
{
	uint32_t proved = confinement->proved;
	const char *separator = "";
	size_t i;

	printf("confined    ");
	if (!(proved & DMU_WIRE_CONFINED_ALL))
		printf("no");
	for (i = 0; i < CONFINEMENT_COUNT; i++) {
		if (!(proved & confinements[i].bit))
			continue;
		printf("%s%s", separator, confinements[i].name);
		separator = ", ";
	}
	putchar('\n');
	if (confinement->domain[0])
		printf("domain      %s\n", confinement->domain);
}

static void daemon_print(const struct dmu_listener *daemon)
{
	const struct dmu_wire_status *status = &daemon->status;
	char spec[sizeof(status->spec)];
	uint64_t now = dmu_now_ms();

	printf("daemon      pid %" PRIu32 ", %s stage %s, generation %" PRIu64 ", %s, for %" PRIu64
	       ".%" PRIu64 " s\n",
	       status->pid, status->stage, status->version, status->generation,
	       state_name(status->state), (now - status->since_ms) / 1000,
	       (now - status->since_ms) % 1000 / 100);
	snprintf(spec, sizeof(spec), "%s", status->spec);
	dmu_text_clean(spec);
	printf("backend     %s, %s, %" PRIu32 " channels\n", spec,
	       cache_name(status->cache), status->channels);
	printf("answered    %" PRIu64 " requests, %" PRIu64 " errors, %" PRIu64
	       " unsupported, %" PRIu64 " MiB read, %" PRIu64 " MiB written\n",
	       requests_sum(&status->stats), status->stats.errors, status->stats.unsupported,
	       status->stats.bytes_read >> 20, status->stats.bytes_written >> 20);
	printf("memory      %" PRIu64 " KiB locked\n", daemon->locked_bytes >> 10);
	confinement_print(&daemon->confinement);
}

void ctl_device_print(const struct ctl_device *device, const struct dmu_listener *daemon,
		      const char *daemon_error)
{
	const struct dmu_target_status *kstatus = &device->kstatus;
	unsigned int i;

	printf("device      /dev/mapper/%s %u:%u, %" PRIu64 " MiB (%" PRIu64
	       " sectors), %s%s, open count %d\n",
	       device->name, device->major, device->minor, device->sectors >> 11, device->sectors,
	       device->read_only ? "read-only" : "read-write",
	       device->suspended ? ", suspended" : "", device->open_count);
	printf("node        %s/%s, %s, %" PRIu64 " channels\n", DMU_NODE_DIR, device->policy.ctl,
	       kstatus->sealed ? "sealed" : "not sealed", kstatus->channels);
	policy_print(&device->policy);
	if (!dmu_target_serving(kstatus))
		printf("generation  none serves\n");
	for (i = 0; i < kstatus->generation_count; i++) {
		const struct dmu_target_generation *generation = &kstatus->generations[i];

		printf("generation  %" PRIu64 " %s: %" PRIu64 " channels, %" PRIu64
		       " held, %" PRIu64 " answered\n",
		       generation->number, generation->state, generation->channels,
		       generation->held, generation->answered);
	}
	printf("queue       %" PRIu64 " queued, %" PRIu64 " held, %" PRIu64
	       " fenced, %" PRIu64 " for space, the oldest for %" PRIu64 " ms\n",
	       kstatus->queued, kstatus->held, kstatus->fenced, kstatus->nospace,
	       kstatus->oldest_ms);
	printf("requests    %" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64 " flushes, %" PRIu64
	       " discards, %" PRIu64 " write zeroes, %" PRIu64 " secure erases\n",
	       kstatus->reads, kstatus->writes, kstatus->flushes, kstatus->discards,
	       kstatus->write_zeroes, kstatus->secure_erases);
	if (device->policy.extents)
		printf("mapped      %" PRIu64 " sectors in %" PRIu64 " extents: %" PRIu64
		       " reads, %" PRIu64 " writes, %" PRIu64 " others; %" PRIu64 " remapped\n",
		       kstatus->mapped, kstatus->extents, kstatus->mapped_reads,
		       kstatus->mapped_writes, kstatus->mapped_others, kstatus->remapped);
	if (kstatus->pinned)
		printf("            pinned by a retire that was killed: repeat it, or run 'dmsetup "
		       "message %s 0 unpin'\n", device->name);
	if (kstatus->lost)
		printf("            writes were lost: the next flush fails\n");
	printf("trouble     %" PRIu64 " errors, %" PRIu64 " unsupported, %" PRIu64
	       " requeued, %" PRIu64 " failed, %" PRIu64 " refused\n",
	       kstatus->errors, kstatus->unsupported, kstatus->requeued, kstatus->failed,
	       kstatus->refused);
	if (daemon)
		daemon_print(daemon);
	else if (daemon_error)
		printf("daemon      %s\n", daemon_error);
}
