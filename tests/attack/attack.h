/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attack test. Two programs share this header and table.c:
 *
 *	dmuser-attack	the second stage, complete and confined, with a backend under the
 *			attacker's control (backend.c, main.c): serves, and makes an attempt when
 *			the driver orders it.
 *	attack		the driver (driver.c, world.c, inmates.c): orders one attempt after the
 *			other, inspects the machine before and after each, and compares with the
 *			table.
 *
 * An order is a block that the driver writes to the device at ATTACK_MAILBOX. The next read of that
 * block makes the attempt: in the I/O thread that answers the read or, since an I/O thread can take
 * the main thread over, in the main thread. If the attempt returns, the read returns struct
 * attack_answer. If the attempt ends the process, the read is an orphan, and the next daemon, which
 * has no order, answers it with the block as it is stored. So every attempt that kills the daemon
 * also shows that requests outlive a daemon.
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

/* What the driver tells the attacker about itself and the machine. */
enum attack_value {
	ATTACK_STORE,		/* descriptors */
	ATTACK_CHANNEL,
	ATTACK_LISTENER,
	ATTACK_KMSG,
	ATTACK_SELF_PIDFD,
	ATTACK_PEER_PIDFD,	/* the number at which a peer's pidfd would be */
	ATTACK_EVENT,		/* the eventfd by which an I/O thread wakes the main thread */
	ATTACK_SELF,		/* pids, as the driver sees them */
	ATTACK_VICTIM,		/* another process of root */
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

/* The walls around the attacker: a column of the table. */
enum attack_walls {
	ATTACK_OURS,		/* SELinux off: namespaces, capabilities, system calls */
	ATTACK_SELINUX,		/* SELinux enforcing, and no other wall of the second stage */
	ATTACK_BOTH,
	ATTACK_WALLS,
	ATTACK_NONE = ATTACK_WALLS	/* no column: shows what an attempt does without walls */
};

/*
 * The required outcome of an attempt: an errno, either of two, or one of the values below. After
 * each, nothing else on the machine has changed.
 */
#define EITHER(a, b)	((a) | (b) << 8)
#define DENIED		EITHER(EACCES, EPERM)
#define HARMLESS	0		/* the call succeeds without effect */
#define OPEN		HARMLESS	/* likewise: this wall is not meant to stop it alone */
#define KILLED		(1 << 16)	/* by the filter, for this very system call */
#define DIES		(2 << 16)	/* by another signal */
#define UNHELD		(3 << 16)	/* not made: allowed by this wall, and would end the test */

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
	/* The system call, or the call of try() that must be refused. */
	long nr;
	long args[6];
	long (*try)(const struct attack_context *context);
	bool main;		/* made in the main thread, which may make other system calls */
	bool forks;		/* the call returns twice if it succeeds */
	bool ends_the_test;	/* if it succeeds: not made without walls */
	bool changes_itself;	/* the daemon may look different afterwards; the driver ends it */
	/* Meanwhile a process of this user keeps connecting to the handover socket. */
	enum { ATTACK_NOBODY, ATTACK_USER, ATTACK_ROOT } caller;
};

extern const struct attack_attempt attack_table[];
extern const unsigned int attack_count;

/* tries.c: attempts of more than one system call. Each returns 0 or more, or -errno. */
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
/* The main thread calls this before it is confined. */
void attack_remember_stack(void);

/* call.c: a system call without libc. Returns 0 or more, or -errno. */
long attack_call(long nr, const long args[6]);
#define CALL(nr, ...) attack_call(nr, (const long[6]){ __VA_ARGS__ })
/* Make attempt @number of the table. */
long attack_make(unsigned int number, const struct attack_context *context);

/* Of dmuser-attack: backend.c. */
extern const struct dmu_backend_ops *const attack_backends[];

#endif
