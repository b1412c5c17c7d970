/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attack test. Two programs share this header and table.c:
 *
 *	dmuser-attack	the second stage, complete and confined, with a backend that has been taken
 *			over (backend.c, main.c). It serves, and makes an attempt when it is told to.
 *	attack		the driver (driver.c, world.c): orders one attempt after the other, looks at
 *			the machine before and after each, and compares with the table.
 *
 * An order is a block written to the device at ATTACK_MAILBOX; the next read of that block makes
 * the attempt, in the I/O thread that answers it or, as it may take that over, too, in the main
 * thread. If that thread comes back, the read returns struct
 * attack_answer. If the attempt ends the process, the read is an orphan, and the next daemon, which
 * has no order, answers it with the block as it is stored: so every attempt that kills also shows
 * that requests outlive it.
 */
#ifndef ATTACK_H
#define ATTACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ATTACK_BLOCK	4096U
#define ATTACK_MAILBOX	(1U << 20)	/* offset in the device, bytes */
#define ATTACK_DATA	(2U << 20)	/* from here on, one block of known content an attempt */
#define ATTACK_NAME	"attack-marker"	/* in everything that an attempt would leave behind */
#define ATTACK_DIR	"/tmp/attack"	/* canaries, and where a core dump would go */

/* What an attacker inside knows of itself and the machine: the driver tells. */
enum attack_value {
	ATTACK_STORE,		/* descriptors */
	ATTACK_CHANNEL,
	ATTACK_LISTENER,
	ATTACK_KMSG,
	ATTACK_SELF_PIDFD,
	ATTACK_PEER_PIDFD,	/* the number at which a peer's pidfd would be */
	ATTACK_EVENT,		/* what an I/O thread wakes the main thread by */
	ATTACK_SELF,		/* processes, as the machine numbers them */
	ATTACK_VICTIM,		/* somebody else of root's */
	ATTACK_FIRST,		/* the first stage that serves another device */
	ATTACK_SIZE,		/* of the device and of the store, bytes */
	ATTACK_BUFFER,		/* address of a writable page */
	ATTACK_VALUES
};

struct attack_order {
	uint64_t magic;
	uint32_t number;	/* index in the table */
	uint32_t zero;
	int64_t values[ATTACK_VALUES];
};

struct attack_answer {
	uint64_t magic;
	uint32_t number;
	uint32_t zero;
	int64_t result;		/* 0 or more, or -errno */
};

#define ATTACK_ORDER_MAGIC	0x61747461636b2121ULL
#define ATTACK_ANSWER_MAGIC	0x616e73776572212aULL

/* Which walls stand around the attacker: a column of the table. */
enum attack_walls {
	ATTACK_OURS,		/* SELinux off: namespaces, capabilities, system calls */
	ATTACK_SELINUX,		/* SELinux enforcing, and nothing else of the second stage's */
	ATTACK_BOTH,
	ATTACK_WALLS,
	ATTACK_NONE = ATTACK_WALLS	/* no column: to see what an attempt is worth */
};

/*
 * What must come of an attempt: an errno, or one of two; or one of these. Whatever it is, nothing
 * on the machine has changed afterwards.
 */
#define EITHER(a, b)	((a) | (b) << 8)
#define DENIED		EITHER(EACCES, EPERM)
#define HARMLESS	0		/* the call succeeds, and nothing comes of it */
#define OPEN		HARMLESS	/* likewise, but a wall that should not bear it alone */
#define KILLED		(1 << 16)	/* by the filter, for this very system call */
#define DIES		(2 << 16)	/* by another signal */
#define UNHELD		(3 << 16)	/* not made: this wall lets it be, and the test would end */

/* An argument of a system call that is known only when the attempt is made. */
#define ATTACK_ARG		0x5a3c000000000000L
#define VALUE(value)		(ATTACK_ARG | (value))

struct attack_context {
	const struct attack_order *order;
	void *buffer;		/* ATTACK_BLOCK bytes, aligned */
};

struct attack_attempt {
	const char *name;
	int expected[ATTACK_WALLS];
	/* One system call, or the one that must be refused of those that try() makes. */
	long nr;
	long args[6];
	long (*try)(const struct attack_context *context);
	bool main;		/* in the main thread, whose system calls are others */
	bool forks;		/* the call returns twice if it succeeds */
	bool ends_the_test;	/* if it succeeds: not made without walls */
	bool changes_itself;	/* the daemon may look different afterwards, and is then ended */
	/* Somebody keeps connecting to the handover socket meanwhile, who is to be used. */
	enum { ATTACK_NOBODY, ATTACK_USER, ATTACK_ROOT } caller;
};

extern const struct attack_attempt attack_table[];
extern const unsigned int attack_count;

/* tries.c: what takes more than one system call. The result is 0 or more, or -errno. */
long attack_int80(const struct attack_context *context);
long attack_fork_bomb(const struct attack_context *context);
long attack_grow_mmap(const struct attack_context *context);
long attack_grow_brk(const struct attack_context *context);
long attack_grow_stack(const struct attack_context *context);
long attack_grow_channels(const struct attack_context *context);
long attack_grow_descriptors(const struct attack_context *context);
long attack_run_data(const struct attack_context *context);
long attack_abort(const struct attack_context *context);
long attack_garbage(const struct attack_context *context);
long attack_send_by_name(const struct attack_context *context);
long attack_send_descriptor_by_name(const struct attack_context *context);
long attack_pass_descriptor(const struct attack_context *context);
long attack_kill_caller(const struct attack_context *context);
long attack_kill_itself(const struct attack_context *context);
long attack_discard_beyond(const struct attack_context *context);
long attack_discard_overflow(const struct attack_context *context);
long attack_zero_beyond(const struct attack_context *context);
long attack_secure_erase_beyond(const struct attack_context *context);
long attack_drain_other(const struct attack_context *context);
long attack_memfd_exec(const struct attack_context *context);
long attack_steal_descriptor(const struct attack_context *context);
long attack_reopen_store(const struct attack_context *context);
/* In the main thread, before the confinement. */
void attack_remember_stack(void);

/* call.c: a system call, with nothing in between. 0 or more, or -errno. */
long attack_call(long nr, const long args[6]);
#define CALL(nr, ...) attack_call(nr, (const long[6]){ __VA_ARGS__ })
/* Make attempt @number of the table. */
long attack_make(unsigned int number, const struct attack_context *context);

#endif
