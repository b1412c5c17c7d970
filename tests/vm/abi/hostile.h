/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the hostile groups share: who wrote which bytes, a bystander, and how often to try. */
#ifndef ABI_HOSTILE_H
#define ABI_HOSTILE_H

#include "abi.h"

/*
 * Every sector that anybody writes is signed: its bytes tell whose it is and where it belongs. So a
 * reader can tell the bytes of the answer that completed its request from those of an answer that was
 * begun and never ended, of another sector, and of the kernel.
 */
enum signer {
	HONEST = 1,		/* who answers to the end */
	POISON = 2,		/* who never does: its bytes are in no read that succeeds */
	CLIENT = 3,		/* payload of a write */
};

void sign(void *buf, uint64_t sector, size_t len, enum signer who);
bool is_signed(const void *buf, uint64_t sector, size_t len, enum signer who);
/* A read that failed: every byte is as before (0xee), or some daemon's. */
bool is_untouched_or_signed(const void *buf, uint64_t sector, size_t len);

/* Waits for @cond, and gives up on the subtest if it does not come true. */
#define NEED_UNTIL(cond) ({ NEED(UNTIL(cond), "in time: %s", #cond); true; })

/* On user-mode Linux, where everything is quick, ten times as often. */
unsigned int rounds(unsigned int emulated);

/*
 * A second device with a daemon and a client of its own, which must not notice anything: no error, no
 * wrong byte, and it gets on whenever it is asked.
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
/* It has done some I/O since the last call, or does so now. */
void bystander_check(struct bystander *b, const char *when);
void bystander_stop(struct bystander *b);

/* One call on a descriptor, in a thread, that may hang for long. */
struct call {
	enum call_what { CALL_READ, CALL_WRITE, CALL_IOCTL } what;
	int fd;
	unsigned long command;
	void *buf;
	size_t len;
	pthread_t thread;
	atomic_int tid;
	atomic_bool done;
	long result;		/* -errno */
};

void call_start(struct call *c);
long call_end(struct call *c);

/* Noflush suspend and resume: what daemons hold is taken back, and asked for again. */
void take_back(const struct target *t);
/* A userfaultfd and @len bytes of memory that nobody will provide; NULL where there is none. */
void *memory_never(size_t len, int *uffd);
/* Waits until some thread waits for one of these pages of it that nobody has waited for before. */
void memory_asked_for(int uffd, const uint8_t *area, unsigned int pages);

#endif
