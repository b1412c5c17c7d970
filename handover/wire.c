// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "lib/text.h"
#include "handover/wire.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#define DMU_WIRE_LENGTH_AT	8	/* offset of the header's length */

/*
 * Reads or writes a packet front to back. One walk over a message's fields serves both directions,
 * so they cannot differ. The first failure sets @error, and all later calls do nothing.
 */
struct dmu_wire_cursor {
	uint8_t *at, *end;
	bool writing;
	int error;
};

static void dmu_wire_fail(struct dmu_wire_cursor *cursor, int error)
{
	if (!cursor->error)
		cursor->error = error;
}

/* The next @len bytes, or NULL. */
static uint8_t *dmu_wire_take(struct dmu_wire_cursor *cursor, size_t len)
{
	uint8_t *at = cursor->at;

	if (cursor->error)
		return NULL;
	if ((size_t)(cursor->end - at) < len) {
		dmu_wire_fail(cursor, cursor->writing ? -EMSGSIZE : -EPROTO);
		return NULL;
	}
	cursor->at += len;
	return at;
}

/* A number of @size bytes. */
static void dmu_wire_number(struct dmu_wire_cursor *cursor, uint64_t *value, unsigned int size)
{
	uint8_t *at = dmu_wire_take(cursor, size);
	unsigned int i;

	if (!cursor->writing)
		*value = 0;
	if (!at)
		return;
	for (i = 0; i < size; i++) {
		if (cursor->writing)
			at[i] = (uint8_t)(*value >> (8 * i));
		else
			*value |= (uint64_t)at[i] << (8 * i);
	}
}

static void dmu_wire_u16(struct dmu_wire_cursor *cursor, uint16_t *value)
{
	uint64_t number = *value;

	dmu_wire_number(cursor, &number, sizeof(*value));
	if (!cursor->writing)
		*value = (uint16_t)number;
}

static void dmu_wire_u32(struct dmu_wire_cursor *cursor, uint32_t *value)
{
	uint64_t number = *value;

	dmu_wire_number(cursor, &number, sizeof(*value));
	if (!cursor->writing)
		*value = (uint32_t)number;
}

static void dmu_wire_u64(struct dmu_wire_cursor *cursor, uint64_t *value)
{
	dmu_wire_number(cursor, value, sizeof(*value));
}

/* A u32 from @min to @max. */
static void dmu_wire_range(struct dmu_wire_cursor *cursor, uint32_t *value, uint32_t min,
			   uint32_t max)
{
	dmu_wire_u32(cursor, value);
	if (*value < min || *value > max)
		dmu_wire_fail(cursor, cursor->writing ? -EINVAL : -EPROTO);
}

static void dmu_wire_bool(struct dmu_wire_cursor *cursor, bool *value)
{
	uint32_t number = *value;

	dmu_wire_range(cursor, &number, 0, 1);
	if (!cursor->writing)
		*value = number == 1;
}

static void dmu_wire_write_string(struct dmu_wire_cursor *cursor, const char *text, size_t size)
{
	size_t len = strnlen(text, size);
	uint16_t len16 = (uint16_t)len;
	uint8_t *at;

	if (len == size || len > UINT16_MAX || !dmu_text_valid(text))
		return dmu_wire_fail(cursor, -EINVAL);
	dmu_wire_u16(cursor, &len16);
	at = dmu_wire_take(cursor, len + 1);
	if (at)
		memcpy(at, text, len + 1);
}

static void dmu_wire_read_string(struct dmu_wire_cursor *cursor, char *text, size_t size)
{
	uint16_t len = 0;
	const uint8_t *at;

	memset(text, 0, size);
	dmu_wire_u16(cursor, &len);
	if (len >= size)
		return dmu_wire_fail(cursor, -EPROTO);
	at = dmu_wire_take(cursor, (size_t)len + 1);
	if (!at)
		return;
	/* Only one line of printable text, because it goes to logs and terminals. */
	if (at[len] || strlen((const char *)at) != len || !dmu_text_valid((const char *)at))
		return dmu_wire_fail(cursor, -EPROTO);
	memcpy(text, at, len);
}

static void dmu_wire_string(struct dmu_wire_cursor *cursor, char *text, size_t size)
{
	if (cursor->writing)
		dmu_wire_write_string(cursor, text, size);
	else
		dmu_wire_read_string(cursor, text, size);
}

/* The name of a device or of a control node; see dmu_name_valid(). */
static void dmu_wire_name(struct dmu_wire_cursor *cursor, char *name)
{
	dmu_wire_string(cursor, name, DMU_NAME_MAX + 1);
	if (!cursor->error && !dmu_name_valid(name))
		dmu_wire_fail(cursor, cursor->writing ? -EINVAL : -EPROTO);
}

static void dmu_wire_stats(struct dmu_wire_cursor *cursor, struct dmu_server_stats *stats)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(stats->requests); i++)
		dmu_wire_u64(cursor, &stats->requests[i]);
	dmu_wire_u64(cursor, &stats->errors);
	dmu_wire_u64(cursor, &stats->unsupported);
	dmu_wire_u64(cursor, &stats->bytes_read);
	dmu_wire_u64(cursor, &stats->bytes_written);
	dmu_wire_u64(cursor, &stats->last_seq);
	dmu_wire_u64(cursor, &stats->first_answer_ms);
}

static void dmu_wire_hello(struct dmu_wire_cursor *cursor, struct dmu_wire_message *message)
{
	struct dmu_wire_hello *hello = &message->hello;

	dmu_wire_range(cursor, &hello->cache, 0, DMU_WIRE_CACHE_AS_OFFERED);
	dmu_wire_bool(cursor, &hello->exclusive);
	dmu_wire_range(cursor, &hello->channels, 0, DMU_WIRE_CHANNELS_MAX);
}

static void dmu_wire_offer(struct dmu_wire_cursor *cursor, struct dmu_wire_message *message)
{
	struct dmu_wire_offer *offer = &message->offer;

	dmu_wire_u64(cursor, &offer->generation);
	dmu_wire_range(cursor, &offer->order, 0, DMU_WIRE_EXCLUSIVE);
	dmu_wire_range(cursor, &offer->channels, 1, DMU_WIRE_CHANNELS_MAX);
	dmu_wire_u64(cursor, &offer->sectors);
	dmu_wire_range(cursor, &offer->logical_block_size, 512, 65536);
	dmu_wire_name(cursor, offer->name);
	dmu_wire_name(cursor, offer->ctl);
	dmu_wire_string(cursor, offer->spec, sizeof(offer->spec));
	dmu_wire_string(cursor, offer->store, sizeof(offer->store));
}

static void dmu_wire_empty(struct dmu_wire_cursor *cursor, struct dmu_wire_message *message)
{
}

static void dmu_wire_drained(struct dmu_wire_cursor *cursor, struct dmu_wire_message *message)
{
	dmu_wire_u64(cursor, &message->drained.generation);
	dmu_wire_stats(cursor, &message->drained.stats);
}

static void dmu_wire_reason(struct dmu_wire_cursor *cursor, struct dmu_wire_message *message)
{
	dmu_wire_range(cursor, &message->reason.error, 0, 4095);
	dmu_wire_string(cursor, message->reason.reason, sizeof(message->reason.reason));
}

static void dmu_wire_status(struct dmu_wire_cursor *cursor, struct dmu_wire_message *message)
{
	struct dmu_wire_status *status = &message->status;

	dmu_wire_range(cursor, &status->state, 0, DMU_WIRE_STATE_END - 1);
	dmu_wire_u32(cursor, &status->pid);
	dmu_wire_u64(cursor, &status->generation);
	dmu_wire_u64(cursor, &status->newest_generation);
	dmu_wire_u64(cursor, &status->since_ms);
	dmu_wire_u64(cursor, &status->locked_bytes);
	dmu_wire_range(cursor, &status->channels, 0, DMU_WIRE_CHANNELS_MAX);
	dmu_wire_u32(cursor, &status->held);
	dmu_wire_range(cursor, &status->cache, DMU_BUFFERED, DMU_DIRECT);
	dmu_wire_range(cursor, &status->confinement, 0, DMU_WIRE_CONFINED_STATUS);
	dmu_wire_bool(cursor, &status->sealed);
	dmu_wire_stats(cursor, &status->stats);
	dmu_wire_string(cursor, status->stage, sizeof(status->stage));
	dmu_wire_string(cursor, status->version, sizeof(status->version));
	dmu_wire_name(cursor, status->name);
	dmu_wire_name(cursor, status->ctl);
	dmu_wire_string(cursor, status->spec, sizeof(status->spec));
}

static void dmu_wire_confinement(struct dmu_wire_cursor *cursor, struct dmu_wire_message *message)
{
	struct dmu_wire_confinement *confinement = &message->confinement;

	dmu_wire_u32(cursor, &confinement->proved);
	dmu_wire_u32(cursor, &confinement->filters);
	dmu_wire_u32(cursor, &confinement->landlock);
	dmu_wire_string(cursor, confinement->domain, sizeof(confinement->domain));
}

static void dmu_wire_room(struct dmu_wire_cursor *cursor, struct dmu_wire_message *message)
{
	dmu_wire_u64(cursor, &message->room.size);
}

static const struct dmu_wire_format {
	const char *name;
	void (*walk)(struct dmu_wire_cursor *cursor, struct dmu_wire_message *message);
} dmu_wire_formats[DMU_WIRE_TYPE_END] = {
	[DMU_WIRE_HELLO]		= { "HELLO", dmu_wire_hello },
	[DMU_WIRE_OFFER]		= { "OFFER", dmu_wire_offer },
	[DMU_WIRE_READY]		= { "READY", dmu_wire_empty },
	[DMU_WIRE_DRAINING]		= { "DRAINING", dmu_wire_empty },
	[DMU_WIRE_DRAINED]		= { "DRAINED", dmu_wire_drained },
	[DMU_WIRE_TAKEN]		= { "TAKEN", dmu_wire_empty },
	[DMU_WIRE_REFUSE]		= { "REFUSE", dmu_wire_reason },
	[DMU_WIRE_ABORT]		= { "ABORT", dmu_wire_reason },
	[DMU_WIRE_STATUS_REQUEST]	= { "STATUS_REQUEST", dmu_wire_empty },
	[DMU_WIRE_STATUS]		= { "STATUS", dmu_wire_status },
	[DMU_WIRE_CONFINEMENT_REQUEST]	= { "CONFINEMENT_REQUEST", dmu_wire_empty },
	[DMU_WIRE_CONFINEMENT]		= { "CONFINEMENT", dmu_wire_confinement },
	[DMU_WIRE_ROOM]			= { "ROOM", dmu_wire_room },
};

static const struct dmu_wire_format *dmu_wire_format_find(unsigned int type)
{
	if (type >= DMU_WIRE_TYPE_END || !dmu_wire_formats[type].walk)
		return NULL;
	return &dmu_wire_formats[type];
}

const char *dmu_wire_type_name(enum dmu_wire_type type)
{
	const struct dmu_wire_format *format = dmu_wire_format_find(type);

	return format ? format->name : "?";
}

struct dmu_wire_header {
	uint32_t magic;
	uint16_t version, type;
	uint32_t length, zero;
};

static void dmu_wire_walk_header(struct dmu_wire_cursor *cursor, struct dmu_wire_header *header)
{
	dmu_wire_u32(cursor, &header->magic);
	dmu_wire_u16(cursor, &header->version);
	dmu_wire_u16(cursor, &header->type);
	dmu_wire_u32(cursor, &header->length);
	dmu_wire_u32(cursor, &header->zero);
}

int dmu_wire_encode(const struct dmu_wire_message *message, void *buf, size_t size)
{
	const struct dmu_wire_format *format = dmu_wire_format_find(message->type);
	struct dmu_wire_cursor cursor = { .at = buf,
					  .end = (uint8_t *)buf + size,
					  .writing = true };
	struct dmu_wire_cursor length = { .writing = true };
	struct dmu_wire_header header = {
		.magic = DMU_WIRE_MAGIC,
		.version = DMU_WIRE_VERSION,
		.type = (uint16_t)message->type,
	};

	if (!format)
		return -EINVAL;
	dmu_wire_walk_header(&cursor, &header);
	/* A writing cursor stores to no field. */
	format->walk(&cursor, (struct dmu_wire_message *)message);
	if (cursor.error)
		return cursor.error;
	header.length = (uint32_t)(cursor.at - (uint8_t *)buf);
	length.at = (uint8_t *)buf + DMU_WIRE_LENGTH_AT;
	length.end = cursor.at;
	dmu_wire_u32(&length, &header.length);
	return (int)header.length;
}

int dmu_wire_decode(struct dmu_wire_message *message, const void *buf, size_t len)
{
	/* A reading cursor stores to no byte. */
	struct dmu_wire_cursor cursor = { .at = (uint8_t *)buf, .end = (uint8_t *)buf + len };
	const struct dmu_wire_format *format;
	struct dmu_wire_header header = { 0 };

	memset(message, 0, sizeof(*message));
	dmu_wire_walk_header(&cursor, &header);
	if (cursor.error || header.magic != DMU_WIRE_MAGIC || header.length != len || header.zero)
		return -EPROTO;
	message->type = header.type;
	format = dmu_wire_format_find(header.type);
	/* REFUSE is the same in all versions, so it can refuse a version. */
	if (header.version != DMU_WIRE_VERSION && header.type != DMU_WIRE_REFUSE)
		return -EPROTONOSUPPORT;
	if (!format)
		return -EPROTO;
	format->walk(&cursor, message);
	if (cursor.error || cursor.at != cursor.end)
		return -EPROTO;
	return 0;
}

bool dmu_wire_fds_valid(const struct dmu_wire_message *message, unsigned int count)
{
	if (message->type == DMU_WIRE_OFFER)
		return count == DMU_WIRE_OFFER_FDS + message->offer.channels;
	return count == (message->type == DMU_WIRE_HELLO || message->type == DMU_WIRE_ROOM);
}
