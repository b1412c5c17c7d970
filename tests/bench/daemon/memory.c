// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A daemon for benchmarks, whose store costs as little as can be: what remains is the cost of the
 * way to a daemon and back. `null:MIB` answers at once, and a read gives what is in the buffer;
 * `memory:MIB` copies to and from memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api.h"

#define MIB_MAX	1024

struct dmu_backend {
	uint64_t size;
	char *bytes;		/* NULL: there are none */
};

static int memory_read(struct dmu_backend *memory, const struct dmu_call *call, void *buf,
		       size_t len, uint64_t offset)
{
	if (memory->bytes)
		memcpy(buf, memory->bytes + offset, len);
	return 0;
}

static int memory_write(struct dmu_backend *memory, const struct dmu_call *call, const void *buf,
			size_t len, uint64_t offset, bool fua)
{
	if (memory->bytes)
		memcpy(memory->bytes + offset, buf, len);
	return 0;
}

static int memory_flush(struct dmu_backend *memory, const struct dmu_call *call)
{
	return 0;
}

static void memory_geometry(const struct dmu_backend *memory, struct dmu_geometry *geometry)
{
	*geometry = (struct dmu_geometry){
		.size = memory->size, .logical_block_size = 512, .physical_block_size = 4096,
		.alignment = 1,
	};
}

static void memory_close(struct dmu_backend *memory)
{
	free(memory->bytes);
	free(memory);
}

static int memory_open(struct dmu_backend **backend, const struct dmu_spec *spec, enum dmu_use use,
		       char *error, size_t len)
{
	long mib = strtol(spec->source, NULL, 10);
	bool null = !strcmp(spec->backend, "null");
	struct dmu_backend *memory;

	if (mib < 1 || mib > MIB_MAX) {
		snprintf(error, len, "%s: not a number of MiB up to %d", spec->source, MIB_MAX);
		return -EINVAL;
	}
	memory = calloc(1, sizeof(*memory));
	if (memory) {
		memory->size = (uint64_t)mib << 20;
		memory->bytes = null ? NULL : calloc(1, memory->size);
	}
	if (!memory || (!null && !memory->bytes)) {
		free(memory);
		snprintf(error, len, "%s: out of memory", spec->backend);
		return -ENOMEM;
	}
	*backend = memory;
	return 0;
}

#define MEMORY_OPS(name_, help_) {				\
	.abi = DMU_ABI, .name = name_, .help = help_,		\
	.open = memory_open, .close = memory_close,		\
	.geometry = memory_geometry, .read = memory_read,	\
	.write = memory_write, .flush = memory_flush,		\
}

int main(int argc, char **argv)
{
	static const struct dmu_backend_ops
		null = MEMORY_OPS("null", "null:MIB    answers at once, for benchmarks"),
		memory = MEMORY_OPS("memory", "memory:MIB  memory of the daemon, for benchmarks");
	static const struct dmu_backend_ops *const backends[] = { &null, &memory, NULL };
	static const struct dmu_daemon daemon = {
		.abi = DMU_ABI,
		.name = "dmuser-memory",
		.stage = "memory",
		.purpose = "A daemon without a store, for benchmarks.",
		.backends = backends,
	};

	return dmu_daemon_main(&daemon, argc, argv);
}
