/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libdmuser: what it takes to serve a dm-user target. Every function returns 0
 * (or what it says) or -errno, logs nothing unless it says so, and never exits.
 */
#ifndef DMUSER_H
#define DMUSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/dm-user.h>

/* ---- channel: one open of the control node; a plain file descriptor ---- */

#define DMU_NODE_DIR	"/dev/dm-user"
#define DMU_NAME_MAX	64	/* longest device or control node name, without the NUL */

/* Can @name name a device and a node? 1 to DMU_NAME_MAX of [A-Za-z0-9_.+-], not "." or "..". */
bool dmu_name_valid(const char *name);

/* Open /dev/dm-user/@ctl, O_CLOEXEC. A descriptor, or -errno of open(2). */
int dmu_channel_open(const char *ctl);
/* A new channel of the same node (DM_USER_IOC_OPEN). A descriptor, or -errno. */
int dmu_channel_dup(int fd);
int dmu_channel_info(int fd, struct dm_user_info *info);
int dmu_channel_join(int fd, uint64_t generation, bool create);
/* The state after it (DM_USER_SERVING...DRAINED), or -errno. */
int dmu_channel_drain(int fd, bool undo);
int dmu_channel_seal(int fd);

/* ---- backend: where the bytes come from ---- */

enum dmu_cache_mode { DMU_BUFFERED, DMU_DIRECT };

struct dmu_geometry {
	uint64_t size;			/* bytes; a multiple of logical_block_size; may grow */
	uint32_t logical_block_size;	/* bytes, power of two, 512..4096 */
	uint32_t physical_block_size;	/* bytes */
	uint32_t alignment;		/* of buffers, offsets and lengths, bytes; 1 if none */
	bool read_only;
	dev_t backing;			/* the block device that it is; 0: none */
};

/* Options common to all backends, and the source. Strings live in the spec. */
#define DMU_SPEC_MAX	1024
struct dmu_spec {
	char text[DMU_SPEC_MAX];	/* as given: BACKEND:SOURCE[,option...] */
	char backend[32];
	char source[DMU_SPEC_MAX];
	bool read_only;			/* option ro (default rw) */
	enum dmu_cache_mode cache;	/* option direct or buffered (default buffered) */
	unsigned int channels;		/* option channels=N, 1..64; 0: default (4) */
	/*
	 * Options orphans=, nodaemon=, nospace=, discard=, write_zeroes=, secure_erase=, logical_block_size=,
	 * physical_block_size= and max_io= as arguments of the table row, like
	 * "orphans:fail nodaemon:fail:500"; "" if none.
	 */
	char table_args[256];
};

/*
 * Parse BACKEND:SOURCE[,option...]. On failure -EINVAL, and @error (of @len bytes) names what is
 * wrong, in one line without a newline. A comma, backslash or blank in SOURCE is written \, \\ and
 * "\ ", so that a specification is always one field of a dmusertab; control characters are refused.
 * Whether there is such a backend is another question: see dmu_backend_find().
 */
int dmu_spec_parse(struct dmu_spec *spec, const char *text, char *error, size_t len);

/*
 * One line of a dmusertab: NAME BACKEND:SOURCE[,option...] [option,...]; a # after a blank begins a
 * comment. 1: parsed; 0: blank or comment; -EINVAL: @error says why. @name has room for
 * DMU_NAME_MAX + 1.
 */
int dmu_tab_parse_line(const char *line, char *name, struct dmu_spec *spec, char *error,
		       size_t len);

/*
 * Nobody but root, or the caller's own user, owns or can write to what @fd is of: 0, or -EPERM and
 * @error names @path. And a directory at @path, which may not be a symbolic link.
 */
int dmu_trusted_check(int fd, const char *path, char *error, size_t len);
int dmu_trusted_directory(const char *path, char *error, size_t len);
/*
 * Likewise, and one of @mode is made, whatever the umask, if there was none: then *@made is set,
 * which may be NULL. Not beside other threads, which have the same umask.
 */
int dmu_trusted_make(const char *path, mode_t mode, bool *made, char *error, size_t len);

struct dmu_backend;			/* an open backing store, private to its backend */

/* What a store is opened for. */
enum dmu_use {
	DMU_USE_NEW,	/* a device is to be made of it: refused if anybody else may use it */
	DMU_USE_SHARED,	/* a generation beside the one that serves from it */
	/*
	 * A device that nobody serves. A refusal would be a hang, so only what would harm the data is
	 * refused; what has become read-only has its writes fail, as it would have with a daemon
	 * that lived on.
	 */
	DMU_USE_AGAIN,
	/* To be looked at: nothing is read or written, and it is kept from nobody. */
	DMU_USE_LOOK,
};

/*
 * A backend is one file with one of these and one line in backend.c's table. Calls of read..zero
 * come from several threads at once. Offsets and lengths are in bytes, multiples of
 * geometry.alignment, and inside geometry.size. All return 0 or -errno; -EOPNOTSUPP answers
 * UNSUPPORTED, -ENOSPC and -EDQUOT NOSPC, after which the same may be asked for again: a sync that
 * fails for a write that is to be durable is no such case. write..secure_erase and fds may be NULL: not supported. Buffers are page-aligned. A
 * flush covers every write that returned before it began.
 */
struct dmu_backend_ops {
	const char *name;
	const char *help;		/* one line for --help */
	/*
	 * Answers what only its memory knows: handed over without overlap, and with export_state.
	 * When the device is removed, what was not flushed is lost, as in a disk's volatile cache.
	 */
	bool stateful;
	/*
	 * Call @each for every path that is needed to open @spec, whether it is there yet or not.
	 * NULL: none is.
	 */
	void (*sources)(const struct dmu_spec *spec, void (*each)(const char *path, void *arg),
			void *arg);
	int (*open)(struct dmu_backend **backend, const struct dmu_spec *spec, enum dmu_use use,
		    char *error, size_t len);
	void (*close)(struct dmu_backend *backend);
	void (*geometry)(const struct dmu_backend *backend, struct dmu_geometry *geometry);
	int (*read)(struct dmu_backend *backend, void *buf, size_t len, uint64_t offset);
	int (*write)(struct dmu_backend *backend, const void *buf, size_t len, uint64_t offset,
		     bool fua);
	int (*flush)(struct dmu_backend *backend);
	int (*discard)(struct dmu_backend *backend, uint64_t offset, uint64_t len);
	int (*write_zeroes)(struct dmu_backend *backend, uint64_t offset, uint64_t len,
			    bool may_unmap, bool fua);
	int (*secure_erase)(struct dmu_backend *backend, uint64_t offset, uint64_t len);
	/*
	 * Descriptors that must stay open through confinement: the count; at most @max are stored.
	 */
	int (*fds)(const struct dmu_backend *backend, int *fds, int max);
	/*
	 * Write to @text (of @len bytes, at most DMU_SPEC_MAX with the NUL) one printable line that
	 * is the same for two open backends of this kind if and only if they share one store, as
	 * two generations must, until the next boot: what a name or a number stands for may change.
	 * 0 or -errno. NULL: the source says it.
	 */
	int (*identity)(const struct dmu_backend *backend, char *text, size_t len);
	/*
	 * All of these if stateful, else none. What is in memory only passes from the generation
	 * that ends to the next by way of @room: a file in memory of @size bytes, zero until it is
	 * written to, by pwrite64 and pread64 alone. Neither may allocate, as there is a device that
	 * nobody serves meanwhile.
	 *
	 * state_max: the most that an export of any generation may take, bytes, at least 1.
	 *
	 * export_state: after the last answer, with no call under way. The state stays as it is, for
	 * if anything fails from here on, this generation serves on. -EFBIG: it does not fit.
	 *
	 * import_state: before the first request, though after reads of a self-test, which nothing
	 * may be kept of. The bytes are another process's: to be checked, every count and offset.
	 *
	 * state_lost: instead, where the generation before has died with its state. Of what it has
	 * answered, that may be lost which no flush has covered, so the next flush must fail.
	 */
	uint64_t (*state_max)(const struct dmu_backend *backend);
	int (*export_state)(struct dmu_backend *backend, int room, uint64_t size);
	int (*import_state)(struct dmu_backend *backend, int room, uint64_t size);
	void (*state_lost)(struct dmu_backend *backend);
};

const struct dmu_backend_ops *dmu_backend_find(const char *name);
/* Every backend, NULL-terminated. */
extern const struct dmu_backend_ops *const dmu_backends[];

/* ---- serve: one thread a channel, answering from a backend ---- */

struct dmu_server_stats {
	uint64_t requests[DM_USER_REQ_MAP_WRITE_ZEROES + 1];	/* answered, by DM_USER_REQ_MAP_* */
	uint64_t errors;		/* answered ERROR or NOSPC */
	uint64_t unsupported;		/* answered UNSUPPORTED */
	uint64_t bytes_read, bytes_written;
	uint64_t last_seq;		/* greatest seq answered */
	uint64_t first_answer_ms;	/* CLOCK_MONOTONIC of the first answer; 0: none yet */
};

/* What the loop reads and writes; the default is read(2) and writev(2), unit tests bring a fake. */
struct iovec;
struct dmu_transport {
	/* Bytes, 0 at drain, or -errno. */
	ssize_t (*read)(int fd, void *buf, size_t len);
	/* Bytes, or -errno. */
	ssize_t (*writev)(int fd, const struct iovec *iov, int count);
};

struct dmu_server;

struct dmu_server_config {
	const int *channels;		/* blocking; copied, and the server's own from create on */
	unsigned int channel_count;
	const struct dmu_backend_ops *ops;
	struct dmu_backend *backend;	/* must outlive the server */
	size_t max_io_bytes;		/* of a request's payload; from dm_user_info */
	uint64_t sectors;		/* of the target */
	const struct dmu_transport *transport;	/* NULL: the default */
};

/*
 * Make the threads, their buffers and stacks; the threads wait for dmu_server_go(). So that a
 * process can confine itself in between: from go on a thread only reads, writes, and calls the
 * backend; it allocates nothing. They are past their start-up system calls when this returns, and
 * all signals are blocked in them. System calls of a thread after go: read, writev, write (its
 * event, a log line), dup3 (in place of its channel, when it fails), futex, poll (only after EAGAIN
 * or ENOMEM), clock_gettime (only where it is no vDSO), and the backend's: for "file" pread64,
 * pwrite64, fdatasync, sync_file_range, fallocate, and ioctl BLKDISCARD and BLKSECDISCARD. -EINVAL:
 * no channel, or max_io_bytes is 0 or beyond 64 MiB; -ENOMEM, -EAGAIN, -EMFILE. On failure the
 * channels are still the caller's.
 *
 * Requests that fail are logged at DMU_LOG_ERR, one line in ten seconds at most.
 */
int dmu_server_create(struct dmu_server **server, const struct dmu_server_config *config);
/*
 * Before go: call @call in each thread, in one at a time, and come back when all have; for what a
 * thread can only do to itself. The first result that is not 0, or -EBUSY after go. Before and
 * after the call a thread makes no system call but futex.
 */
int dmu_server_each(struct dmu_server *server, int (*call)(void *arg), void *arg);
void dmu_server_go(struct dmu_server *server);
/*
 * A descriptor (eventfd) that polls readable when a thread has left its loop; read
 * dmu_server_running() then. Threads leave when their read returns 0 (drained), or -ENOTBLK (target
 * gone), or fails.
 */
int dmu_server_event_fd(const struct dmu_server *server);
unsigned int dmu_server_running(const struct dmu_server *server);
/* 0: every thread that left was drained; -ENOTBLK: the target is gone; else the first failure. */
int dmu_server_result(const struct dmu_server *server);
void dmu_server_stats(const struct dmu_server *server, struct dmu_server_stats *stats);
/*
 * After an undone drain: threads whose read returned 0 wait, and this makes them read again. So a
 * drained thread "leaves" its loop (running goes down) but lives until dmu_server_destroy().
 */
void dmu_server_resume(struct dmu_server *server);
/* An open channel, for info, join, drain, seal and dup: the first whose thread has not failed. */
int dmu_server_channel(const struct dmu_server *server);
/*
 * Join threads that have left, or were never let go (else -EBUSY, nothing done), free, and close
 * the channels: last, when no thread can touch the backend any more.
 */
int dmu_server_destroy(struct dmu_server *server);

/* ---- dm: device-mapper by ioctl, for static programs (libdevmapper has no archive) ---- */

#define DMU_UUID_PREFIX	"DMUSER-"

/* A table of one row, `0 sectors user 0 0 CTL [args]`. */
struct dmu_dm_row {
	const char *ctl;
	uint64_t sectors;	/* of 512 bytes */
	const char *args;	/* "" if none */
	bool read_only;
	/*
	 * The block device that the table claims, so that nobody else mounts it or makes a file
	 * system there; 0: none. Not with a module older than target version 1.2; and a read-only
	 * device does without where somebody else has a claim.
	 */
	dev_t backing;
};

/*
 * Create device @name (uuid DMUSER-@name) with that table, resume it, and make sure that
 * /dev/mapper/@name exists. All or nothing. -EEXIST: the name is in use; -ENOENT: no target "user"
 * (the module is not loaded); -EBUSY: the backing device is in use; @error names the step that
 * failed.
 */
int dmu_dm_create(const char *name, const struct dmu_dm_row *row, char *error, size_t len);
/*
 * Let the table of @name, of one row, claim @backing, by a reload under a noflush
 * suspend: requests go back to the queue, and fail only if they may not wait. @read_only: it is. 1: done; 0: so it does already, or the
 * module is too old; -EBUSY: somebody else has a claim, or the device is suspended, or a table waits
 * for its resume; -errno with @error. Unless 1, the device is as it was.
 */
int dmu_dm_claim(const char *name, dev_t backing, bool read_only, char *error, size_t len);
/* These are about the device that was created as @name, also when it has been renamed since. */
int dmu_dm_remove(const char *name);
/* 1 if a device of that name exists, 0 if not, -errno. */
int dmu_dm_exists(const char *name);
/* Its number. 0 or -errno; -ENXIO: no such device. */
int dmu_dm_number(const char *name, dev_t *number);
/* Send the target @message ("seal", "unseal", ...). */
int dmu_dm_message(const char *name, const char *message);
/*
 * The target's status, or its table row with @table, without the word "user". -ENXIO: no such
 * device; -ENODATA: no table; -EMEDIUMTYPE: another target's; -ENOSPC: longer than @len.
 */
int dmu_dm_status(const char *name, bool table, char *text, size_t len);

/* ---- below: which device lies on which ---- */

/*
 * Is what @fd is of block device @device, or does it lie on that: a file or a directory of a file
 * system, or a device made of others? Asks sysfs; without it only the nearest is known. overlayfs
 * is not looked through.
 */
bool dmu_lies_on(int fd, dev_t device);
/*
 * Is another device than @but (0: any), and not a read-only one, made of block device @device, of one
 * of its partitions or of the disk that it is a partition of? Asks sysfs. @name (of @len bytes): the first of them.
 */
bool dmu_has_holder(dev_t device, dev_t but, char *name, size_t len);

/* ---- process: what a program inherits ---- */

/*
 * First in main(): descriptors 0 to 2 that are closed become /dev/null, signals are not blocked nor
 * SIGCHLD ignored, no scheduling below the normal (of processor and I/O), umask 077, no
 * supplementary groups. What cannot be changed stays as it is.
 */
void dmu_process_begin(void);

/* ---- resident: what a process that serves its own root must be (all fail as -errno) ---- */

#define DMU_RESIDENT_STACK_BYTES	(1U << 20)

/*
 * No limit by which a shell's `ulimit` would kill it: of processor time, and of the size of files.
 * And a limit of the main thread's stack, all of whose pages are locked.
 */
int dmu_resident_set_limits(void);
/*
 * No core dump. Until one is written, a process that crashed keeps its channels and what they hold,
 * and what it is written by or to may be on the very device.
 */
int dmu_resident_forbid_core(void);
/* mlockall current and future; RLIMIT_MEMLOCK to infinity first. */
int dmu_resident_lock_memory(void);
/*
 * PR_SET_IO_FLUSHER for the caller, and the threads and processes that it makes afterwards, through
 * execve(2) too: their memory never waits for I/O.
 */
int dmu_resident_io_flusher(void);
/* /proc/self/oom_score_adj = -1000. */
int dmu_resident_oom_exempt(void);
/* Make ps show '@' as the first character of argv[0]. Call before threads. */
void dmu_resident_mark_argv(char **argv);
/*
 * Close every descriptor but those @keep (sorted or not); 0, 1 and 2 become /dev/null unless kept.
 */
int dmu_resident_close_fds(const int *keep, int count);

/* ---- root: another root directory, in a mount namespace of one's own that is private ---- */

#define DMU_MOUNTS_MAX	128

/* Where something is mounted, but the root. */
struct dmu_mounts {
	char *paths[DMU_MOUNTS_MAX];
	unsigned int count;
	bool full;		/* there were more; only an initramfs needs them */
};

/* Reads /proc/self/mountinfo. 0 or -errno. To be released by dmu_mounts_free(), if 0. */
int dmu_mounts_read(struct dmu_mounts *mounts);
void dmu_mounts_free(struct dmu_mounts *mounts);
/*
 * The working directory, which is the root of a mount that is not in @mounts, becomes the root, and
 * the old root with @mounts is detached. 0, or -errno and *@step says what failed.
 */
int dmu_root_replace(const struct dmu_mounts *mounts, const char **step);

/* ---- log ---- */

enum dmu_log_level { DMU_LOG_ERR = 3, DMU_LOG_WARNING = 4, DMU_LOG_NOTICE = 5, DMU_LOG_INFO = 6 };

/*
 * Where lines go: to @kmsg if not -1 (a descriptor of /dev/kmsg, one write a line with a <level>
 * prefix), and to @stream_fd if not -1 (with a newline). @ident begins each line.
 */
void dmu_log_open(const char *ident, int kmsg, int stream_fd);
void dmu_log(enum dmu_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * An event for people and scripts alike, at DMU_LOG_NOTICE:
 * "IDENT: event=EVENT name=NAME generation=N ms=CLOCK_MONOTONIC[ key=value...]".
 */
void dmu_log_event(const char *event, const char *name, uint64_t generation,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));
uint64_t dmu_now_ms(void);	/* CLOCK_MONOTONIC in milliseconds */

#endif
