/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ABI tests: a daemon and its clients in one process, against the real kernel target. They use
 * nothing of libdmuser: a mistake there cannot hide a mistake in the kernel. Each subtest runs in a
 * child process with a time limit. A check that fails prints its line, and the subtest continues; a
 * NEED that fails ends the subtest.
 */
#ifndef ABI_H
#define ABI_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sys/types.h>

#include <linux/dm-user.h>

struct abi_test {
	const char *name;
	void (*run)(void);
	const char *claim;
};

struct abi_group {
	const char *name;
	const struct abi_test *tests;	/* ends with a NULL name */
};

extern const struct abi_test abi_stream[], abi_requests[], abi_answers[], abi_wait[], abi_control[],
	abi_drain[], abi_orphans[], abi_suspend[], abi_removal[], abi_reload[], abi_hostile[],
	abi_hostile_answers[], abi_hostile_leak[], abi_hostile_memory[], abi_hostile_process[],
	abi_hostile_hang[], abi_hostile_ioctl[], abi_hostile_races[], abi_compat[], abi_poll[],
	abi_uring[], abi_extents[], abi_extents_pin[],
	abi_extents_races[];

/* ---- checks ---- */

bool abi_check(const char *file, int line, bool good, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
_Noreturn void abi_give_up(void);
extern unsigned int abi_checks, abi_failures;

#define OK(good, ...)	abi_check(__FILE__, __LINE__, (good), __VA_ARGS__)
#define NEED(good, ...)	do { if (!OK(good, __VA_ARGS__)) abi_give_up(); } while (0)
/* A system call or helper that must return exactly @want: 0, -errno or a count. */
#define IS(got, want, ...) abi_is(__FILE__, __LINE__, (got), (want), __VA_ARGS__)
bool abi_is(const char *file, int line, long long got, long long want, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* The longest wait for any event; generous, because guests are emulated. */
#define ABI_WAIT_MS	20000
#define UNTIL(cond) ({								\
	uint64_t until_end = abi_now_ms() + ABI_WAIT_MS;			\
	bool until_good;							\
	while (!(until_good = (cond)) && abi_now_ms() < until_end)		\
		abi_nap();							\
	until_good; })

uint64_t abi_now_ms(void);
void abi_nap(void);
/* As in /proc/PID/stat: 'S', 'Z'; 0: there is no such process. */
char abi_process_state(pid_t pid);
/* A page-aligned buffer, filled with 0xee. Without memory the subtest ends. */
void *abi_buffer(size_t len);
void abi_fill(void *buf, size_t len, uint64_t tag);
bool abi_filled(const void *buf, size_t len, uint64_t tag);
/* True once thread @tid of this process, which is about to make system call @nr, sleeps in it. */
bool abi_blocked_in(pid_t tid, long nr);
pid_t abi_gettid(void);
/* Send @fd over Unix socket @sock; 0 or -errno. */
int fd_send(int sock, int fd);
/* Receive a descriptor from @sock: close-on-exec, or -1. */
int fd_receive(int sock);

/* ---- device-mapper ioctls; 0 or -errno where nothing else is said ---- */

#define ABI_NAME	"abi"
#define ABI_CTL		"abi-ctl"
#define ABI_SECTORS	16384

struct target {
	char name[32];
	char ctl[32];
	char dev[32];			/* /dev/dm-N */
	uint64_t sectors;
};

int dm_create(const char *name);
int dm_load(const char *name, uint64_t sectors, const char *type, const char *params);
/* As dm_load(), behind a row of @start sectors that fails all I/O. */
int dm_load_at(const char *name, uint64_t start, uint64_t sectors, const char *type,
	       const char *params);
/* As dm_load(), for a device that cannot be written. */
int dm_load_read_only(const char *name, uint64_t sectors, const char *type, const char *params);
/* As dm_load(), two rows of @first and @second sectors. */
int dm_load_two(const char *name, uint64_t first, uint64_t second, const char *type,
		const char *first_params, const char *second_params);
int dm_suspend(const char *name, uint32_t flags);
int dm_resume(const char *name, uint32_t flags);
int dm_remove(const char *name);
int dm_minor(const char *name);			/* or -errno */
int dm_message(const char *name, const char *text);
/* A message that is answered: @reply gets the answer. -ENOBUFS: it does not fit in @len bytes. */
int dm_ask(const char *name, const char *text, char *reply, size_t len);
int dm_status(const char *name, bool table, char *out, size_t len);
/* The value of status word @key (such as "held:"), -ENOENT if there is none, or -errno. */
long long dm_word(const char *name, const char *key);
/* Replace the table, without a flush, by one that fails all I/O: as `dmsetup remove --force`. */
int dm_wipe(const char *name);
/* Parameters of a row, `0 0 CTL [n args]`, from blank-separated @args ("" or NULL: none). */
void dm_row(char *row, size_t len, const char *ctl, const char *args);

/* ABI_NAME with node ABI_CTL. A failure ends the subtest. The parent removes a leftover target. */
void target_create(struct target *t, const char *args);
void target_create_as(struct target *t, const char *name, const char *ctl, uint64_t sectors,
		      const char *args);
void target_remove(struct target *t);

/* ---- channels ---- */

#define ABI_MAX_IO	(1 << 20)

int ch_open(const struct target *t);			/* a descriptor or -errno */
int ch_need(const struct target *t);			/* a descriptor, or the subtest ends */
int ch_info(int fd, struct dm_user_info *info);
int ch_join(int fd, uint64_t generation, uint32_t flags);
int ch_drain(int fd, uint32_t flags, struct dm_user_drain *drain);
int ch_seal(int fd);
int ch_new(int fd);
int ch_poll(int fd);					/* current event mask or -errno */
bool ch_ready(int fd, int events);			/* wait for any of @events */

/*
 * Wait for a request and read it whole, at most @chunk bytes a call (0: no limit). The payload of a
 * write goes to @payload (ABI_MAX_IO bytes; NULL: discarded). 0 or -errno; -ESHUTDOWN: read gave 0.
 */
int ch_take(int fd, struct dm_user_message *m, void *payload, size_t chunk);
/* Wait for a request of type @type and take it; without any request the subtest ends. */
void ch_take_type(int fd, struct dm_user_message *m, uint64_t type, void *payload);
/* Answer @m, at most @chunk bytes a call (0: no limit). 0 or -errno of the failing write. */
int ch_answer(int fd, const struct dm_user_message *m, uint64_t type, const void *payload,
	      size_t chunk);
/* One read(2) or write(2): bytes or -errno. */
ssize_t ch_read(int fd, void *buf, size_t len);
ssize_t ch_write(int fd, const void *buf, size_t len);
void ch_nonblock(int fd, bool on);

/* A daemon: a thread that serves @store on channel @fd until a drain or an error. */
struct server {
	int fd;
	uint8_t *store;
	size_t chunk;
	pthread_t thread;
	pid_t tid;
	atomic_bool gone;
	uint64_t served;
	int result;			/* 0: drained; else -errno of the failing call */
};

void server_start(struct server *s, int fd, uint8_t *store);
int server_join(struct server *s);

/* ---- clients: one thread for each operation, O_DIRECT ---- */

enum io_op { IO_READ, IO_WRITE, IO_WRITE_FUA, IO_FSYNC, IO_DISCARD, IO_ZEROOUT, IO_PUNCH,
	     IO_SECDISCARD };

struct io {
	char dev[32];
	enum io_op op;
	uint64_t offset;
	size_t len;
	uint8_t *buf;			/* writes: abi_fill()ed with @tag; reads: 0xee at first */
	uint64_t tag;
	pthread_t thread;
	atomic_bool done;
	int result;			/* 0 or -errno */
};

struct io *io_start(const struct target *t, enum io_op op, uint64_t offset, size_t len,
		    uint64_t tag);
/* Wait for the end, free @io and return its result. Without an end the subtest ends. */
int io_end(struct io *io);
/* io_end() of a read that must succeed, with bytes filled with @tag. */
void io_end_read(struct io *io, uint64_t tag);
/* Take read @io on channel @fd, answer it with an error, and end it. */
void io_refuse(struct io *io, int fd);
/* io_start() and io_end(): the caller cannot serve the operation in between. */
int io_do(const struct target *t, enum io_op op, uint64_t offset, size_t len, uint64_t tag);

#endif
