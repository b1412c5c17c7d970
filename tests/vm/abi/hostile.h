/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code that the hostile groups share: signed bytes, a bystander, numbers of rounds, slow calls. */
#ifndef ABI_HOSTILE_H
#define ABI_HOSTILE_H

#include "abi.h"

/*
 * Every sector that a test writes is signed: its bytes tell the signer and the sector. A reader can
 * tell the bytes of the answer that completed its request from those of an unfinished answer, of
 * another sector, and of the kernel.
 */
enum signer {
	HONEST = 1,		/* a daemon that completes its answer */
	POISON = 2,		/* a daemon that never does: no successful read has its bytes */
	CLIENT = 3,		/* a client: payload of a write */
};

void sign(void *buf, uint64_t sector, size_t len, enum signer signer);
bool is_signed(const void *buf, uint64_t sector, size_t len, enum signer signer);
/* The buffer of a failed read: every byte is as before (0xee), or signed by a daemon. */
bool is_untouched_or_signed(const void *buf, uint64_t sector, size_t len);

/* Wait for @cond; if it does not come true, the subtest ends. */
#define NEED_UNTIL(cond) ({ NEED(UNTIL(cond), "comes true: %s", #cond); true; })

/* Number of rounds: @emulated, and ten times as many on user-mode Linux, which is quick. */
unsigned int rounds(unsigned int emulated);

/*
 * A second device with a daemon and a client of its own. A hostile daemon of the first device must
 * not disturb it: no error, no wrong byte, and bystander_check() finds progress.
 */
struct bystander {
	struct target t;
	struct server server;
	uint8_t *store;
	int dev;
	pthread_t client;
	atomic_bool stop, gone;
	atomic_ulong turns;
};

void bystander_start(struct bystander *b);
/* Check that the client completes I/O now. */
void bystander_check(struct bystander *b, const char *when);
void bystander_stop(struct bystander *b);

/* A call on a descriptor that may hang, in a thread of its own. */
struct call {
	enum call_what { CALL_READ, CALL_WRITE, CALL_IOCTL } what;
	int fd;
	unsigned long command;
	void *buf;
	size_t len;
	pthread_t thread;
	atomic_int tid;
	atomic_bool done;
	long result;		/* of the call, or -errno */
};

void call_start(struct call *c);
long call_end(struct call *c);

/* Noflush suspend and resume: DM takes held requests back and submits them again. */
void take_back(const struct target *t);
/* Map @len bytes whose page faults wait until *@uffd is closed; NULL without userfaultfd(2). */
void *memory_never(size_t len, int *uffd);
/* Wait for the next page fault of @uffd; check that it is in one of the @pages pages from @area. */
void memory_asked_for(int uffd, const uint8_t *area, unsigned int pages);

#endif
