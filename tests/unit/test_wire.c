// SPDX-License-Identifier: GPL-2.0-or-later
/* P4, P8: the wire codec reads back what it writes, and takes no other bytes for a message. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "handover/wire.h"

#define FUZZ_ROUNDS		200000
#define TYPE_AT			6	/* offset of the header's type */
#define VERSION_AT		4

/* A message of @type, no field zero. */
static void sample(struct dmu_wire_message *message, enum dmu_wire_type type)
{
	const struct dmu_server_stats stats = {
		.requests = { 1, 2, 3, 4, 5, 6, 7 }, .errors = 8, .unsupported = 9,
		.bytes_read = 1ULL << 40, .bytes_written = UINT64_MAX, .last_seq = 12,
		.first_answer_ms = 13,
	};

	memset(message, 0, sizeof(*message));
	message->type = type;
	switch (type) {
	case DMU_WIRE_HELLO:
		message->hello = (struct dmu_wire_hello){ DMU_WIRE_CACHE_AS_OFFERED, true, 64 };
		break;
	case DMU_WIRE_OFFER:
		message->offer = (struct dmu_wire_offer){
			7, DMU_WIRE_EXCLUSIVE, 3, 1ULL << 33, 4096, "root", "root.ctl",
			"file:/dev/vda,direct", "file:device 254:0",
		};
		break;
	case DMU_WIRE_DRAINED:
		message->drained.generation = 1ULL << 63;
		message->drained.stats = stats;
		break;
	case DMU_WIRE_REFUSE:
	case DMU_WIRE_ABORT:
		message->reason =
			(struct dmu_wire_reason){ EBUSY, "generation 3 (pid 12) is taking over" };
		break;
	case DMU_WIRE_STATUS:
		message->status = (struct dmu_wire_status){
			.state = DMU_WIRE_STATE_DRAINING, .pid = 99, .generation = 4,
			.newest_generation = 5, .since_ms = 6, .locked_bytes = 7, .channels = 8,
			.held = 9, .cache = DMU_DIRECT, .confinement = DMU_WIRE_CONFINED_STATUS,
			.sealed = true, .stats = stats, .stage = "second", .version = "0.1.0",
			.name = "root", .ctl = "root", .spec = "file:/x",
		};
		/* Padding between two fields has no value, and is compared, too. */
		memset(&message->status.sealed + 1, 0,
		       offsetof(struct dmu_wire_status, stats) -
		       offsetof(struct dmu_wire_status, sealed) - sizeof(bool));
		break;
	case DMU_WIRE_CONFINEMENT:
		message->confinement = (struct dmu_wire_confinement){
			DMU_WIRE_CONFINED_ALL, 2, 6, "system_u:system_r:dmuser_t:s0",
		};
		break;
	case DMU_WIRE_ROOM:
		message->room.size = 1ULL << 30;
		break;
	default:
		break;
	}
}

static void everything_written_is_read_back(void **state)
{
	struct dmu_wire_message in, out;
	uint8_t buf[DMU_WIRE_SIZE_MAX];
	unsigned int type;
	int len;

	for (type = 1; type < DMU_WIRE_TYPE_END; type++) {
		sample(&in, type);
		len = dmu_wire_encode(&in, buf, sizeof(buf));
		assert_in_range(len, 16, DMU_WIRE_SIZE_MAX);
		assert_int_equal(dmu_wire_decode(&out, buf, len), 0);
		assert_memory_equal(&in, &out, sizeof(in));
		assert_string_not_equal(dmu_wire_type_name(type), "?");
	}
	assert_string_equal(dmu_wire_type_name(DMU_WIRE_TYPE_END), "?");
	assert_string_equal(dmu_wire_type_name(0), "?");
}

static void the_bytes_are_little_endian(void **state)
{
	static const uint8_t expected[] = {
		/* Header: REFUSE of 26 bytes. */
		0x44, 0x4d, 0x55, 0x52, 1, 0, 7, 0, 26, 0, 0, 0, 0, 0, 0, 0,
		16, 0, 0, 0, 3, 0, 'n', 'o', '!', 0,
	};
	struct dmu_wire_message message = { .type = DMU_WIRE_REFUSE, .reason = { 16, "no!" } };
	uint8_t buf[64];

	assert_int_equal(dmu_wire_encode(&message, buf, sizeof(buf)), sizeof(expected));
	assert_memory_equal(buf, expected, sizeof(expected));
}

/* The longest strings that fit, and one byte more. */
static void the_greatest_message_fits(void **state)
{
	struct dmu_wire_message message, out;
	uint8_t buf[DMU_WIRE_SIZE_MAX];
	int len;

	sample(&message, DMU_WIRE_STATUS);
	memset(message.status.spec, 'x', sizeof(message.status.spec) - 1);
	memset(message.status.name, 'n', sizeof(message.status.name) - 1);
	memset(message.status.ctl, 'c', sizeof(message.status.ctl) - 1);
	len = dmu_wire_encode(&message, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(dmu_wire_decode(&out, buf, len), 0);
	assert_memory_equal(&message, &out, sizeof(out));
	message.status.spec[sizeof(message.status.spec) - 1] = 'x';
	assert_int_equal(dmu_wire_encode(&message, buf, sizeof(buf)), -EINVAL);
}

/* Readers of version 0.1.0 know five bits of STATUS, and take other bits for malformed. */
static void old_readers_understand_status(void **state)
{
	struct dmu_wire_message message, out;
	uint8_t buf[DMU_WIRE_SIZE_MAX];
	int len;

	sample(&message, DMU_WIRE_STATUS);
	message.status.confinement = 1U << 5;
	assert_int_equal(dmu_wire_encode(&message, buf, sizeof(buf)), -EINVAL);

	/* Those readers do not know ROOM: as any other number, it makes them roll back. */
	assert_int_equal(DMU_WIRE_ROOM, 13);

	/* This version takes bits of CONFINEMENT that only later versions have. */
	sample(&message, DMU_WIRE_CONFINEMENT);
	message.confinement.proved = UINT32_MAX;
	len = dmu_wire_encode(&message, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(dmu_wire_decode(&out, buf, len), 0);
	assert_int_equal(out.confinement.proved, UINT32_MAX);
}

static void a_short_buffer_is_refused_at_every_length(void **state)
{
	struct dmu_wire_message message;
	uint8_t buf[DMU_WIRE_SIZE_MAX];
	unsigned int type;
	int len, size;

	for (type = 1; type < DMU_WIRE_TYPE_END; type++) {
		sample(&message, type);
		len = dmu_wire_encode(&message, buf, sizeof(buf));
		for (size = 0; size < len; size++) {
			uint8_t *exact = malloc(size ? size : 1); /* so that an overrun shows */

			assert_int_equal(dmu_wire_encode(&message, exact, size), -EMSGSIZE);
			free(exact);
		}
	}
}

static void a_packet_cut_or_stretched_is_refused(void **state)
{
	struct dmu_wire_message message, out;
	uint8_t buf[DMU_WIRE_SIZE_MAX + 1] = { 0 };
	unsigned int type;
	int len, cut;

	for (type = 1; type < DMU_WIRE_TYPE_END; type++) {
		sample(&message, type);
		len = dmu_wire_encode(&message, buf, DMU_WIRE_SIZE_MAX);
		for (cut = 0; cut <= len + 1; cut++) {
			uint8_t *exact = malloc(cut ? cut : 1);

			memcpy(exact, buf, cut);
			if (cut != len)
				assert_int_equal(dmu_wire_decode(&out, exact, cut), -EPROTO);
			/* The packet is refused, too, if its header has the wrong length. */
			if (cut >= 16 && cut != len) {
				exact[8] = cut & 0xff;
				exact[9] = cut >> 8;
				assert_int_equal(dmu_wire_decode(&out, exact, cut), -EPROTO);
			}
			free(exact);
		}
	}
}

static void another_version_is_named_unless_it_refuses(void **state)
{
	struct dmu_wire_message message, out;
	uint8_t buf[DMU_WIRE_SIZE_MAX];
	int len;

	sample(&message, DMU_WIRE_HELLO);
	len = dmu_wire_encode(&message, buf, sizeof(buf));
	buf[VERSION_AT] = 2;
	assert_int_equal(dmu_wire_decode(&out, buf, len), -EPROTONOSUPPORT);
	assert_int_equal(out.type, DMU_WIRE_HELLO);
	sample(&message, DMU_WIRE_REFUSE);
	len = dmu_wire_encode(&message, buf, sizeof(buf));
	buf[VERSION_AT] = 2;
	assert_int_equal(dmu_wire_decode(&out, buf, len), 0);
	assert_memory_equal(&message, &out, sizeof(out));
	buf[TYPE_AT] = DMU_WIRE_TYPE_END;
	buf[VERSION_AT] = 1;
	assert_int_equal(dmu_wire_decode(&out, buf, len), -EPROTO);
}

static void refused_encode(const struct dmu_wire_message *message)
{
	uint8_t buf[DMU_WIRE_SIZE_MAX];

	assert_int_equal(dmu_wire_encode(message, buf, sizeof(buf)), -EINVAL);
}

static void fields_out_of_range_are_not_written(void **state)
{
	struct dmu_wire_message message;

	sample(&message, DMU_WIRE_HELLO);
	message.hello.cache = 3;
	refused_encode(&message);
	sample(&message, DMU_WIRE_HELLO);
	message.hello.channels = 65;
	refused_encode(&message);
	sample(&message, DMU_WIRE_OFFER);
	message.offer.channels = 0;
	refused_encode(&message);
	sample(&message, DMU_WIRE_OFFER);
	message.offer.order = 2;
	refused_encode(&message);
	sample(&message, DMU_WIRE_OFFER);
	strcpy(message.offer.name, "../root");
	refused_encode(&message);
	sample(&message, DMU_WIRE_OFFER);
	message.offer.name[0] = '\0';
	refused_encode(&message);
	sample(&message, DMU_WIRE_ABORT);
	strcpy(message.reason.reason, "two\nlines");
	refused_encode(&message);
	sample(&message, DMU_WIRE_STATUS);
	message.status.confinement = 0x20;
	refused_encode(&message);
	message.type = DMU_WIRE_TYPE_END;
	refused_encode(&message);
	message.type = 0;
	refused_encode(&message);
}

static void fields_out_of_range_are_not_read(void **state)
{
	struct dmu_wire_message message, out;
	uint8_t buf[DMU_WIRE_SIZE_MAX];
	int len;

	sample(&message, DMU_WIRE_HELLO);
	len = dmu_wire_encode(&message, buf, sizeof(buf));
	buf[16 + 4] = 2;				/* stateful: neither 0 nor 1 */
	assert_int_equal(dmu_wire_decode(&out, buf, len), -EPROTO);
	sample(&message, DMU_WIRE_REFUSE);
	len = dmu_wire_encode(&message, buf, sizeof(buf));
	buf[len - 1] = 'x';				/* no NUL */
	assert_int_equal(dmu_wire_decode(&out, buf, len), -EPROTO);
	len = dmu_wire_encode(&message, buf, sizeof(buf));
	buf[len - 2] = 0;				/* a NUL inside */
	assert_int_equal(dmu_wire_decode(&out, buf, len), -EPROTO);
	len = dmu_wire_encode(&message, buf, sizeof(buf));
	buf[len - 2] = 0x1b;				/* an escape for a terminal */
	assert_int_equal(dmu_wire_decode(&out, buf, len), -EPROTO);
	len = dmu_wire_encode(&message, buf, sizeof(buf));
	buf[12] = 1;					/* the header's zero */
	assert_int_equal(dmu_wire_decode(&out, buf, len), -EPROTO);
}

static void descriptors_are_counted(void **state)
{
	struct dmu_wire_message message;
	unsigned int type;

	for (type = 1; type < DMU_WIRE_TYPE_END; type++) {
		sample(&message, type);
		assert_int_equal(dmu_wire_fds_valid(&message, 0),
				 type != DMU_WIRE_OFFER && type != DMU_WIRE_HELLO &&
					 type != DMU_WIRE_ROOM);
		assert_int_equal(dmu_wire_fds_valid(&message, 1),
				 type == DMU_WIRE_HELLO || type == DMU_WIRE_ROOM);
		assert_false(dmu_wire_fds_valid(&message, 2));
		assert_int_equal(dmu_wire_fds_valid(&message, 5), type == DMU_WIRE_OFFER);
		assert_false(dmu_wire_fds_valid(&message, 4));
		assert_false(dmu_wire_fds_valid(&message, 6));
	}
}

/* A message that is taken can be written again to the same bytes: the codec ignores none. */
static void take(const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1), again[DMU_WIRE_SIZE_MAX];
	struct dmu_wire_message message;

	memcpy(exact, bytes, len);
	if (!dmu_wire_decode(&message, exact, len)) {
		int written = dmu_wire_encode(&message, again, sizeof(again));

		assert_int_equal(written, len);
		again[VERSION_AT] = exact[VERSION_AT];	/* of a REFUSE of another version */
		again[VERSION_AT + 1] = exact[VERSION_AT + 1];
		assert_memory_equal(again, exact, len);
	}
	free(exact);
}

static void damaged_packets_do_no_harm(void **state)
{
	struct dmu_wire_message message;
	uint8_t buf[DMU_WIRE_SIZE_MAX];
	unsigned int round, flips, seed = 1;
	int len;

	srand(seed);
	for (round = 0; round < FUZZ_ROUNDS; round++) {
		sample(&message, 1 + rand() % (DMU_WIRE_TYPE_END - 1));
		len = dmu_wire_encode(&message, buf, sizeof(buf));
		for (flips = rand() % 4; flips; flips--)
			buf[rand() % len] ^= 1 << rand() % 8;
		if (rand() % 4 == 0)
			len = rand() % (len + 1);
		if (rand() % 2 == 0 && len >= 16) {
			buf[8] = len & 0xff;
			buf[9] = len >> 8;
		}
		take(buf, len);
	}
}

static void random_packets_do_no_harm(void **state)
{
	static const uint8_t magic[] = { 0x44, 0x4d, 0x55, 0x52, 1, 0 };
	uint8_t buf[DMU_WIRE_SIZE_MAX];
	unsigned int round;
	int len, i;

	srand(2);
	for (round = 0; round < FUZZ_ROUNDS / 4; round++) {
		len = rand() % 200;
		for (i = 0; i < len; i++)
			buf[i] = rand() % 3 ? rand() % 4 : rand();
		if (len >= 16 && rand() % 8) {
			memcpy(buf, magic, sizeof(magic));
			buf[TYPE_AT] = 1 + rand() % DMU_WIRE_TYPE_END;
			buf[TYPE_AT + 1] = 0;
			memset(buf + 8, 0, 8);
			buf[8] = len;
		}
		take(buf, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_written_is_read_back),
		cmocka_unit_test(the_bytes_are_little_endian),
		cmocka_unit_test(the_greatest_message_fits),
		cmocka_unit_test(old_readers_understand_status),
		cmocka_unit_test(a_short_buffer_is_refused_at_every_length),
		cmocka_unit_test(a_packet_cut_or_stretched_is_refused),
		cmocka_unit_test(another_version_is_named_unless_it_refuses),
		cmocka_unit_test(fields_out_of_range_are_not_written),
		cmocka_unit_test(fields_out_of_range_are_not_read),
		cmocka_unit_test(descriptors_are_counted),
		cmocka_unit_test(damaged_packets_do_no_harm),
		cmocka_unit_test(random_packets_do_no_harm),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
