/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of the handover protocol: a pure codec, no I/O. One message is one packet of a
 * SOCK_SEQPACKET Unix socket; handover/PROTOCOL.md says which side sends which message when.
 *
 * A packet is a header of five little-endian numbers (u32 magic, u16 version, u16 type, u32 length
 * of the whole packet, u32 zero) and the type's fields, in the order of the structs below. Integers
 * are little-endian without padding. A string is a u16 length without the NUL, the bytes, and the
 * NUL. Nothing may follow. Descriptors travel beside the packet (SCM_RIGHTS); dmu_wire_fds_valid()
 * knows how many each type carries.
 */
#ifndef DMUSER_WIRE_H
#define DMUSER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dmuser.h"

/* The header and REFUSE never change, so any two versions can refuse each other with a reason. */
#define DMU_WIRE_MAGIC		0x52554d44u	/* "DMUR" */
#define DMU_WIRE_VERSION	1
#define DMU_WIRE_SIZE_MAX	4096		/* longest packet, in bytes */
#define DMU_WIRE_REASON_MAX	256		/* with the NUL */
#define DMU_WIRE_STAGE_MAX	16		/* with the NUL */
#define DMU_WIRE_DOMAIN_MAX	256		/* with the NUL */
#define DMU_WIRE_CHANNELS_MAX	64
#define DMU_WIRE_OFFER_FDS	2		/* before the channels: pidfd, listening socket */
#define DMU_WIRE_FDS_MAX	(DMU_WIRE_OFFER_FDS + DMU_WIRE_CHANNELS_MAX)

enum dmu_wire_type {
	DMU_WIRE_HELLO = 1,		/* newcomer wants to serve; carries its own pidfd */
	DMU_WIRE_OFFER,			/* old: all that the newcomer needs; DMU_WIRE_OFFER_FDS */
	DMU_WIRE_READY,			/* newcomer serves (OVERLAP) or can at once (EXCLUSIVE) */
	DMU_WIRE_DRAINING,		/* old takes no new request */
	DMU_WIRE_DRAINED,		/* old holds no request any more */
	DMU_WIRE_TAKEN,			/* newcomer has taken over, old can leave: commit point */
	DMU_WIRE_REFUSE,		/* old: no handover, with the reason */
	DMU_WIRE_ABORT,			/* either gives this handover up, with the reason */
	DMU_WIRE_STATUS_REQUEST,	/* any process asks for STATUS */
	DMU_WIRE_STATUS,		/* the serving daemon's answer; then the connection ends */
	DMU_WIRE_CONFINEMENT_REQUEST,	/* any process asks for CONFINEMENT */
	DMU_WIRE_CONFINEMENT,		/* likewise */
	DMU_WIRE_ROOM,			/* newcomer: space for old's state; carries a memfd */
	DMU_WIRE_TYPE_END
};

/* dmu_wire_hello.cache: the cache mode that the newcomer will use. */
enum dmu_wire_cache {
	DMU_WIRE_CACHE_BUFFERED = DMU_BUFFERED,
	DMU_WIRE_CACHE_DIRECT = DMU_DIRECT,
	DMU_WIRE_CACHE_AS_OFFERED,	/* that of the OFFER's spec */
};

enum dmu_wire_order {
	DMU_WIRE_OVERLAP,		/* the newcomer serves, then sends READY */
	DMU_WIRE_EXCLUSIVE,		/* the newcomer sends READY, and serves after DRAINED */
};

struct dmu_wire_hello {
	uint32_t cache;			/* enum dmu_wire_cache */
	bool exclusive;			/* its backend needs that order; false if AS_OFFERED */
	uint32_t channels;		/* wanted, 1..DMU_WIRE_CHANNELS_MAX; 0: as old has */
};

struct dmu_wire_offer {
	uint64_t generation;		/* for the newcomer, to join with DM_USER_JOIN_CREATE */
	uint32_t order;			/* enum dmu_wire_order */
	uint32_t channels;		/* number of channel descriptors, at least 1 */
	uint64_t sectors;		/* of the target, 512 bytes each */
	uint32_t logical_block_size;	/* of the device, in bytes */
	char name[DMU_NAME_MAX + 1];
	char ctl[DMU_NAME_MAX + 1];
	char spec[DMU_SPEC_MAX];	/* BACKEND:SOURCE[,option...] of the old daemon */
	char store[DMU_SPEC_MAX];	/* identity of its store, BACKEND:IDENTITY */
};

struct dmu_wire_room {
	uint64_t size;			/* of the memfd, in bytes */
};

struct dmu_wire_drained {
	uint64_t generation;		/* the old daemon's */
	struct dmu_server_stats stats;	/* final */
};

/* REFUSE and ABORT. */
struct dmu_wire_reason {
	uint32_t error;			/* a positive errno, or 0 */
	char reason[DMU_WIRE_REASON_MAX];	/* one line for a person, without a newline */
};

/*
 * What the daemon has proved of its confinement. STATUS has only the first five bits, because older
 * readers would take further ones for malformed. CONFINEMENT has all of them.
 */
#define DMU_WIRE_CONFINED_CAPABILITIES	(1U << 0)	/* all sets empty, securebits locked */
#define DMU_WIRE_CONFINED_PRIVILEGES	(1U << 1)	/* no_new_privs */
#define DMU_WIRE_CONFINED_SECCOMP	(1U << 2)	/* allow-list in every thread */
#define DMU_WIRE_CONFINED_FILESYSTEM	(1U << 3)	/* empty read-only root, own namespace */
#define DMU_WIRE_CONFINED_MEMORY	(1U << 4)	/* all memory locked */
#define DMU_WIRE_CONFINED_STATUS	0x1fU		/* those of STATUS, for ever */
#define DMU_WIRE_CONFINED_DUMPABLE	(1U << 5)	/* not: no core, no ptrace by equals */
#define DMU_WIRE_CONFINED_NAMESPACES	(1U << 6)	/* own IPC, UTS, network, cgroup */
#define DMU_WIRE_CONFINED_LANDLOCK	(1U << 7)	/* nothing can be opened, by any path */
#define DMU_WIRE_CONFINED_DESCRIPTORS	(1U << 8)	/* only those it needs */
#define DMU_WIRE_CONFINED_LIMITS	(1U << 9)	/* none that ends the daemon; no core */
#define DMU_WIRE_CONFINED_DOMAIN	(1U << 10)	/* the SELinux domain of its policy */
#define DMU_WIRE_CONFINED_ALL		0x7ffU

/* dmu_wire_status.state */
enum dmu_wire_state {
	DMU_WIRE_SERVING,		/* no handover in progress */
	DMU_WIRE_HANDING_OVER,		/* a newcomer has its OFFER and is not READY */
	DMU_WIRE_STATE_DRAINING,	/* or drained; the newcomer is READY */
	DMU_WIRE_ROLLING_BACK,		/* waits for the newcomer's death */
	DMU_WIRE_TAKING_OVER,		/* reserved; never sent */
	DMU_WIRE_STATE_END
};

struct dmu_wire_status {
	uint32_t state;			/* enum dmu_wire_state */
	uint32_t pid;			/* in the daemon's pid namespace */
	uint64_t generation;
	uint64_t newest_generation;	/* differs with a newcomer, and after a rollback */
	uint64_t since_ms;		/* CLOCK_MONOTONIC when the daemon began to serve */
	uint64_t locked_bytes;		/* VmLck when the daemon began to serve */
	uint32_t channels;		/* this daemon's */
	uint32_t held;			/* requests that the daemon holds now */
	uint32_t cache;			/* enum dmu_cache_mode */
	uint32_t confinement;		/* DMU_WIRE_CONFINED_*, of DMU_WIRE_CONFINED_STATUS */
	bool sealed;			/* the node */
	struct dmu_server_stats stats;
	char stage[DMU_WIRE_STAGE_MAX];	/* "first", "second" */
	char version[DMU_WIRE_STAGE_MAX];
	char name[DMU_NAME_MAX + 1];
	char ctl[DMU_NAME_MAX + 1];
	char spec[DMU_SPEC_MAX];
};

struct dmu_wire_confinement {
	uint32_t proved;		/* DMU_WIRE_CONFINED_*, and bits of later versions */
	uint32_t filters;		/* seccomp filters of the main thread */
	uint32_t landlock;		/* the kernel's Landlock ABI version; 0: none */
	char domain[DMU_WIRE_DOMAIN_MAX];	/* SELinux context; "" without SELinux */
};

struct dmu_wire_message {
	enum dmu_wire_type type;
	union {
		struct dmu_wire_hello hello;
		struct dmu_wire_offer offer;
		struct dmu_wire_drained drained;
		struct dmu_wire_reason reason;		/* REFUSE, ABORT */
		struct dmu_wire_status status;
		struct dmu_wire_confinement confinement;
		struct dmu_wire_room room;
	};
};

/* "HELLO", ...; "?" for an unknown type. */
const char *dmu_wire_type_name(enum dmu_wire_type type);

/*
 * Write @message as a packet to @buf of @size bytes (DMU_WIRE_SIZE_MAX is always enough). Returns
 * the packet's length; -EINVAL: a field is out of range or a string not terminated; -EMSGSIZE: @buf
 * is too small.
 */
int dmu_wire_encode(const struct dmu_wire_message *message, void *buf, size_t size);

/*
 * Read a packet of exactly @len hostile bytes. 0; -EPROTO: no message of this protocol, or a field
 * is out of range; -EPROTONOSUPPORT: a sound header of another version (@message->type is set).
 */
int dmu_wire_decode(struct dmu_wire_message *message, const void *buf, size_t len);

/* true if @message may carry @count descriptors. */
bool dmu_wire_fds_valid(const struct dmu_wire_message *message, unsigned int count);

#endif
