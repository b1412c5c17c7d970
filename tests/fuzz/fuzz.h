/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fuzzer of the kernel target: README.md says what it does and how a failure is reproduced.
 *
 *	main.c		options, the run, its watcher
 *	program.c	programs: generated, mutated, kept, printed, read back
 *	cover.c		which code a program reached (KCOV)
 *	workers.c	threads, rounds, which thread may block
 *	model.c		which data and errors are allowed; a broken promise ends the run
 *	client.c	I/O on the device
 *	channel.c	channels: open, close, ioctl, poll
 *	reader.c	requests read from a channel
 *	answer.c	answers written to a channel
 *	dm.c		device-mapper by ioctl
 *	epoch.c		a target from its creation to its removal
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <linux/dm-user.h>

#define FZ_THREADS	8
#define FZ_OPS		128	/* of one thread in one program, at most */
#define FZ_CHANNELS	10
#define FZ_HELD		48	/* requests that a channel's model remembers */
#define FZ_IOS		40	/* in flight */
#define FZ_HELPERS	2	/* threads for I/O that has no asynchronous call */
#define FZ_SECTORS	2048	/* of the longest device */
#define FZ_IO_SECTORS	128	/* of the longest read or write */
#define FZ_SECTOR	512
#define FZ_IO_BYTES	(FZ_IO_SECTORS * FZ_SECTOR)
#define FZ_PAGE		4096
/* Unmapped memory. */
#define FZ_NOWHERE	((uint8_t *)FZ_PAGE)
#define FZ_NAME		"fuzz"
#define FZ_CTL		"fuzz-ctl"
#define FZ_HEADER	sizeof(struct dm_user_message)

/* ---- programs ---- */

struct fz_op {
	uint8_t kind;		/* index of fz_kinds */
	uint8_t channel;
	uint16_t a;
	uint32_t b;
};

struct fz_program {
	unsigned int length[FZ_THREADS];
	struct fz_op ops[FZ_THREADS][FZ_OPS];
};

struct fz_thread;

struct fz_kind {
	const char *name;
	unsigned int weight;	/* how often, in 10,000 */
	void (*run)(struct fz_thread *t, const struct fz_op *op);
	bool may_lack;		/* memory: an injected failure may be its error */
};

extern const struct fz_kind fz_kinds[];
extern const unsigned int fz_kind_count;

uint64_t fz_mix(uint64_t x);
uint64_t fz_random(uint64_t *state);
/* Random bits for @op: more than its fields have, and the same whenever it runs. */
uint64_t fz_op_random(const struct fz_op *op);

void fz_program_generate(struct fz_program *p, unsigned int threads, uint64_t seed);
void fz_program_print(FILE *out, const struct fz_program *p, unsigned int threads);

/* The corpus: programs that reached something new, each described by its parent and its seed. */
unsigned int fz_corpus_count(void);
void fz_corpus_add(const struct fz_program *p, long parent, uint64_t seed, FILE *also);
/* Make the program that (@parent, @seed) describes; parent -1: a new program. */
void fz_corpus_make(struct fz_program *p, long parent, uint64_t seed);
/*
 * Read a log or corpus file. If it has the line of epoch *@epoch (-1: the last in the file), set
 * that epoch's seed, number and corpus size. False: the file cannot be read or has no such epoch.
 */
bool fz_corpus_read(const char *path, long *epoch, uint64_t *seed, unsigned int *visible);

/* ---- coverage ---- */

bool fz_cover_present(void);
void fz_cover_thread(struct fz_thread *t);	/* called by the thread itself */
void fz_cover_mark(struct fz_thread *t, unsigned int kind);
unsigned int fz_cover_collect(struct fz_thread *t);	/* new edges; forgets what was recorded */
unsigned int fz_cover_pcs(void);
unsigned int fz_cover_edges(void);

/* ---- workers ---- */

struct fz_thread {
	unsigned int id;
	pid_t tid;
	uint64_t ops;			/* system calls on the channel, the device or DM */
	const struct fz_op *program;
	unsigned int length;
	unsigned int at;		/* index of the running operation */
	atomic_bool kickable;		/* sleeps in a call that a signal ends */
	unsigned int fail_wish;		/* which allocation or copy shall fail, 0: none */
	bool failing;			/* a failure is injected into this operation */
	int fail_nth;			/* /proc/.../fail-nth, or -1 */
	uint64_t *cover;		/* KCOV's buffer, or NULL */
	uint32_t marks[FZ_OPS];		/* where in the buffer each operation begins */
	unsigned int mark_count;
	uint8_t *scratch;		/* FZ_IO_BYTES and a page */
	uint8_t *dm;			/* for DM's ioctls */
};

extern struct fz_thread fz_threads[FZ_THREADS];
extern struct fz_thread fz_main_thread;

void fz_workers_start(unsigned int count);
/* Run @p with @threads threads; returns when all of them have ended their programs. */
void fz_workers_run(const struct fz_program *p, unsigned int threads);
/* May @t sleep until another thread or a kick wakes it? If true, fz_block_end() must follow. */
bool fz_block_begin(struct fz_thread *t);
void fz_block_end(struct fz_thread *t);
/* @t makes a call that may wait uninterruptibly for another thread's call. */
void fz_queue_begin(struct fz_thread *t);
void fz_queue_end(struct fz_thread *t);

/* ---- model ---- */

struct fz_event {
	atomic_uint active;
	_Atomic uint64_t last;		/* clock at the end of the last event */
};

struct fz_sector {
	uint64_t store;			/* token of the last write that the daemons stored */
	uint64_t known;			/* token that a read must find, if certain */
	uint64_t since;			/* clock: known since */
	uint64_t last_submit;		/* clock: of a write */
	uint64_t last_error;		/* clock: of an error answer */
	unsigned int pending;		/* writes in flight */
	bool mixed;			/* several writes were in flight at once */
	bool certain;
};

/* A read's answer. */
struct fz_answer {
	uint32_t sector, count;
	uint64_t born;
	bool whole;			/* its last byte has been or is being written */
	bool used;			/* seen by a client's read */
};

/* A write, discard, ... of the client. Bitmaps: by sector. */
struct fz_write {
	uint32_t sector, count;
	uint64_t born;
	_Atomic uint64_t done;		/* clock, 0 while in flight */
	bool crowd;			/* read by a crowd: the model may mix up similar writes */
	uint64_t seen[2];		/* by a daemon, all 512 bytes */
	uint64_t acked[2];		/* answered SUCCESS by a daemon that had read all of it */
};

struct fz_model {
	uint64_t seed, epoch_seed, epoch, round;
	uint64_t salt;			/* of the epoch's tokens */
	_Atomic uint64_t clock;
	unsigned int sectors;		/* that clients use */
	unsigned int block;		/* logical block size, sectors */
	struct fz_sector sector[FZ_SECTORS];
	struct fz_answer *answers;
	struct fz_write *writes;
	unsigned int answer_count, write_count;
	uint64_t flush_error;		/* clock */
	uint64_t seq_max;		/* greatest seen, plus one */

	struct fz_event fail;		/* may end I/O with an error, whatever daemons answer */
	struct fz_event revoke;		/* may revoke requests */
	atomic_bool excused;		/* the table's policy or length may fail I/O */
	atomic_bool drained, revoked, wiped;
	atomic_bool loose;		/* a channel may have answered another's request */
	atomic_bool stores;		/* the daemons' stores still have one history */

	/* What the target must have counted since the node exists. */
	_Atomic uint64_t answered[DM_USER_REQ_MAP_WRITE_ZEROES + 1], errors, unsupported, refused;

	/* Of the whole run. */
	uint64_t total_ops, total_reads, total_writes, total_checked;
};

extern struct fz_model fz;

void fz_lock(void);
void fz_unlock(void);
uint64_t fz_tick(void);
void fz_event_begin(struct fz_event *e);
void fz_event_end(struct fz_event *e);
bool fz_event_since(const struct fz_event *e, uint64_t clock);

/* Report a broken promise, print the round, and end the run. */
_Noreturn void fz_broken(const struct fz_thread *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The fuzzer cannot go on, and the target is not the cause. */
_Noreturn void fz_stuck(const char *what);
/* main.c: print this round's program, and how to run it again. */
void fz_show_round(FILE *out);
/* Tell the watcher the status, and exit. The watcher exits even if hung I/O keeps this process. */
_Noreturn void fz_leave(int status);

void fz_model_reset(void);
/* Make every byte depend on the answer or write, on the sector, and, in answers, on @store. */
void fz_stamp(void *sector_data, uint64_t token, uint64_t sector, uint64_t store);
bool fz_stamped(const void *sector_data, uint64_t *token, uint64_t sector, uint64_t *store);

uint64_t fz_answer_new(unsigned int sector, unsigned int count);
struct fz_answer *fz_answer_find(uint64_t token);	/* NULL: no token of this epoch */
uint64_t fz_write_new(unsigned int sector, unsigned int count);
struct fz_write *fz_write_find(uint64_t token);
/* The caller holds the lock for all of these. */
void fz_write_begin(const struct fz_write *w);
void fz_write_end(uint64_t token, struct fz_write *w, bool good);
static inline bool fz_type_writes(unsigned int type)
{
	return type != DM_USER_REQ_MAP_READ && type != DM_USER_REQ_MAP_FLUSH;
}

void fz_store_apply(unsigned int sector, unsigned int count, uint64_t token);
void fz_store_error(unsigned int type, unsigned int sector, unsigned int count);

/* ---- client ---- */

enum fz_io_type { FZ_IO_READ, FZ_IO_WRITE, FZ_IO_FSYNC, FZ_IO_DISCARD, FZ_IO_ZERO, FZ_IO_ERASE };

void fz_client_init(void);
void fz_client_open(const char *dev);
void fz_client_close(void);
void fz_client_reap(const struct fz_thread *t);
unsigned int fz_client_in_flight(void);
/* Is there I/O in flight of which a daemon's request may be a part? The caller holds the lock. */
bool fz_client_has(unsigned int type, unsigned int sector, unsigned int count, uint64_t *token);
void fz_client_show(FILE *out);
void fz_run_read(struct fz_thread *t, const struct fz_op *op);
void fz_run_write(struct fz_thread *t, const struct fz_op *op);
void fz_run_fsync(struct fz_thread *t, const struct fz_op *op);
void fz_run_erase(struct fz_thread *t, const struct fz_op *op);

/* ---- channels ---- */

struct fz_held {
	uint64_t seq;
	uint32_t type, sector, count;	/* sectors */
	uint64_t token;			/* of the write; 0: unknown */
	bool complete;			/* read to its end */
};

enum fz_channel_state { FZ_FREE, FZ_OPENING, FZ_OPEN, FZ_CLOSING };

/* Guarded by fz_lock(), except the fields that belong to the holder of reading or of writing. */
struct fz_channel {
	enum fz_channel_state state;
	int fd;
	unsigned int users;		/* threads between channel_get and channel_put */
	bool crowd;			/* many threads read at once, each of them whole pieces */
	bool nonblock;
	bool slow;			/* seldom answers */
	bool dead;			/* returned ENOTBLK */
	bool gone;			/* its descriptor was replaced while a thread used it */
	bool forgot;			/* holds requests that the model does not know */
	bool reading, writing;
	unsigned int held_count;
	struct fz_held held[FZ_HELD];
	struct fz_held loose;		/* a payload whose header has not been noted yet... */
	uint64_t loosed;		/* ...and the clock when it was read */
	uint64_t answered;		/* seq of the last answer */
	bool has_answered;

	/* reading */
	uint64_t begun;			/* clock when the message began */
	unsigned int in_header, in_payload;	/* bytes */
	struct dm_user_message message;
	uint8_t *payload;

	/* writing */
	unsigned int out, out_size;	/* bytes sent, and of the answer; 0: none in progress */
	uint64_t out_token;		/* of the answer, if it has a payload */
	struct fz_held out_held;
	uint32_t out_response;
	bool out_junk;			/* must be refused */
	bool out_cross;			/* may be refused */
	uint8_t *image;
};

extern struct fz_channel fz_channels[FZ_CHANNELS];

void fz_channel_init(void);
/* The first open channel from number @wish on, or NULL. It stays until fz_channel_put(). */
struct fz_channel *fz_channel_get(struct fz_thread *t, unsigned int wish);
void fz_channel_put(struct fz_channel *c);
/* Become the only reader or writer, until fz_channel_done(). False: there is one, or @c is gone. */
bool fz_channel_reading(struct fz_channel *c);
bool fz_channel_writing(struct fz_channel *c);
void fz_channel_done(bool *flag);
void fz_channel_close(struct fz_thread *t, struct fz_channel *c);
/* Add a usual channel that does not block. Returns its slot, or -EMFILE. */
int fz_channel_add(struct fz_thread *t, int fd);
void fz_run_open(struct fz_thread *t, const struct fz_op *op);
void fz_run_close(struct fz_thread *t, const struct fz_op *op);
void fz_run_new(struct fz_thread *t, const struct fz_op *op);
void fz_run_join(struct fz_thread *t, const struct fz_op *op);
void fz_run_drain(struct fz_thread *t, const struct fz_op *op);
void fz_run_seal(struct fz_thread *t, const struct fz_op *op);
void fz_run_info(struct fz_thread *t, const struct fz_op *op);
void fz_run_ioctl(struct fz_thread *t, const struct fz_op *op);
void fz_run_poll(struct fz_thread *t, const struct fz_op *op);

/* reader.c */
enum fz_how { FZ_WHOLE, FZ_CHUNK, FZ_VECTOR, FZ_HOLE, FZ_SLEEP };
/* One read. Returns bytes or -errno; 0 may mean a drain. */
ssize_t fz_read(struct fz_thread *t, struct fz_channel *c, enum fz_how how, uint64_t random);
void fz_run_take(struct fz_thread *t, const struct fz_op *op);
void fz_run_chunk(struct fz_thread *t, const struct fz_op *op);
void fz_run_readv(struct fz_thread *t, const struct fz_op *op);
void fz_run_hole(struct fz_thread *t, const struct fz_op *op);
void fz_run_wait(struct fz_thread *t, const struct fz_op *op);

/* answer.c */
/* Finish the answer in progress, then answer the @n-th held request. False: it took no request. */
bool fz_answer_one(struct fz_thread *t, struct fz_channel *c, unsigned int n, uint32_t response);
void fz_run_answer(struct fz_thread *t, const struct fz_op *op);
void fz_run_answer_chunk(struct fz_thread *t, const struct fz_op *op);
void fz_run_answer_hole(struct fz_thread *t, const struct fz_op *op);
void fz_run_junk(struct fz_thread *t, const struct fz_op *op);
void fz_run_serve(struct fz_thread *t, const struct fz_op *op);
void fz_run_apply(struct fz_thread *t, const struct fz_op *op);
void fz_run_forget(struct fz_thread *t, const struct fz_op *op);

/* ---- device-mapper: 0 or -errno ---- */

int fz_dm_create(struct fz_thread *t);
int fz_dm_load(struct fz_thread *t, uint64_t sectors, const char *type, const char *row);
int fz_dm_suspend(struct fz_thread *t, unsigned int flags);
int fz_dm_resume(struct fz_thread *t, unsigned int flags);
int fz_dm_remove(struct fz_thread *t);
int fz_dm_clear(struct fz_thread *t);
int fz_dm_minor(struct fz_thread *t);
int fz_dm_message(struct fz_thread *t, const char *text);
int fz_dm_status(struct fz_thread *t, char *out, size_t size);
int fz_dm_wipe(struct fz_thread *t);
void fz_dm_init(void);
void fz_run_message(struct fz_thread *t, const struct fz_op *op);
void fz_run_suspend(struct fz_thread *t, const struct fz_op *op);
void fz_run_resume(struct fz_thread *t, const struct fz_op *op);
void fz_run_load(struct fz_thread *t, const struct fz_op *op);
void fz_run_status(struct fz_thread *t, const struct fz_op *op);
void fz_run_refused(struct fz_thread *t, const struct fz_op *op);
void fz_run_wipe(struct fz_thread *t, const struct fz_op *op);

/* ---- epochs ---- */

struct fz_epoch {
	unsigned int sectors;		/* of the first table */
	unsigned int ios;		/* in flight, at most */
	unsigned int hot;		/* blocks at the start, where most I/O goes */
	bool policies;			/* reloads may make I/O fail */
	bool resizes;
	char fixed[128];		/* arguments that no reload can change */
};

extern struct fz_epoch fz_epoch;

/* Make a table row; @which chooses policy and length. */
void fz_epoch_row(char *row, size_t size, unsigned int which, uint64_t *sectors);
void fz_epoch_begin(void);
void fz_epoch_end(void);

#endif
