/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libdmuser: serve a dm-user target. Every function returns 0 (or what its comment says) or -errno,
 * logs nothing unless its comment says so, and never exits.
 */
#ifndef DMUSER_H
#define DMUSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/dm-user.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Of the structs that a program hands to the library. There is no promise across versions before
 * 1.0: a daemon that was built for another version is refused.
 */
#define DMU_ABI		4

/* ---- channel: one open of the control node; a plain file descriptor ---- */

#define DMU_NODE_DIR	"/dev/dm-user"
#define DMU_NAME_MAX	64	/* longest device or control node name, without the NUL */

/* True for a name of a device or a node: 1 to DMU_NAME_MAX of [A-Za-z0-9_.+-], not "." or "..". */
bool dmu_name_valid(const char *name);

/* Open /dev/dm-user/@ctl, O_CLOEXEC. A descriptor, or -errno of open(2). */
int dmu_channel_open(const char *ctl);
/* A new channel of the same node (DM_USER_IOC_OPEN). A descriptor, or -errno. */
int dmu_channel_dup(int fd);
int dmu_channel_info(int fd, struct dm_user_info *info);
int dmu_channel_join(int fd, uint64_t generation, bool create);
/* The generation's new state (DM_USER_SERVING...DRAINED), or -errno. */
int dmu_channel_drain(int fd, bool undo);
int dmu_channel_seal(int fd);
/* Set @count ranges (DM_USER_IOC_MAP). 0, or -errno with *@done (may be NULL) of them set. */
int dmu_channel_map(int fd, const struct dm_user_extent *extents, unsigned int count,
		    unsigned int *done);
/*
 * List at most @count extents from *@sector on, and set *@sector to where the next call goes on.
 * How many, or -errno.
 */
int dmu_channel_list(int fd, uint64_t *sector, struct dm_user_extent *extents, unsigned int count);
/* Wait for what was mapped before this call: see DM_USER_IOC_SYNC. */
int dmu_channel_sync(int fd);
/* See DM_USER_IOC_CLEAN. */
int dmu_channel_clean(int fd);
/* See DM_USER_IOC_DROP. May take long. */
int dmu_channel_drop(int fd);

/* ---- backend: where the bytes come from ---- */

enum dmu_cache_mode { DMU_BUFFERED, DMU_DIRECT };
/* Does the kernel map the store by itself? */
enum dmu_extents_mode {
	DMU_EXTENTS_AUTO,		/* where it can */
	DMU_EXTENTS_ON,
	DMU_EXTENTS_OFF,		/* but a later generation may let it */
	DMU_EXTENTS_NEVER		/* nor does the table of a new device let it */
};

struct dmu_geometry {
	uint64_t size;			/* bytes; a multiple of logical_block_size; may grow */
	uint32_t logical_block_size;	/* bytes, power of two, 512..4096 */
	uint32_t physical_block_size;	/* bytes */
	uint32_t alignment;		/* of buffers, offsets and lengths, bytes; 1 if none */
	bool read_only;
	dev_t backing;			/* the store, if it is a block device; 0: it is not */
};

/* Options common to all backends, and the source. Strings live in the spec. */
#define DMU_SPEC_MAX	1024
struct dmu_spec {
	char text[DMU_SPEC_MAX];	/* as given: BACKEND:SOURCE[,option...] */
	char backend[32];
	char source[DMU_SPEC_MAX];
	bool read_only;			/* option ro (default rw) */
	enum dmu_cache_mode cache;	/* option direct or buffered (default buffered) */
	enum dmu_extents_mode extents;	/* option extents=on or off (NEVER) */
	unsigned int channels;		/* option channels=N, 1..64; 0: default (4) */
	/*
	 * Options orphans=, nodaemon=, nospace=, discard=, write_zeroes=, secure_erase=,
	 * logical_block_size=, physical_block_size= and max_io= as arguments of the table row, like
	 * "orphans:fail nodaemon:fail:500"; "" if none.
	 */
	char table_args[256];
};

/*
 * Parse BACKEND:SOURCE[,option...]. On failure -EINVAL, and @error (of @len bytes) names the fault
 * in one line without a newline. A comma, backslash or blank in SOURCE is written \, \\ and "\ ",
 * so a specification is always one field of a dmusertab. Control characters are refused. Does not
 * check that the backend exists: see dmu_backend_find().
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
 * Check that only root or the caller's own user owns and can write the file of @fd, or the
 * directory at @path, which must not be a symbolic link. 0, or -errno (-EPERM: not so) with @error.
 */
int dmu_trusted_check(int fd, const char *path, char *error, size_t len);
int dmu_trusted_directory(const char *path, char *error, size_t len);
/*
 * Likewise, but first make a missing directory with @mode, whatever the umask, and then set *@made
 * (may be NULL). Not beside other threads, which share the umask.
 */
int dmu_trusted_make(const char *path, mode_t mode, bool *made, char *error, size_t len);

struct dmu_backend;			/* an open backing store, private to its backend */

/* Why a store is opened. */
enum dmu_use {
	DMU_USE_NEW,	/* to make a device of it: refused if it may be in use */
	DMU_USE_SHARED,	/* for a generation beside the serving generation */
	/*
	 * For a device that no daemon serves. A refusal would hang the device, so only a use that
	 * would harm the data is refused. Writes to a store that has become read-only fail, as with
	 * a daemon that lived on.
	 */
	DMU_USE_AGAIN,
	/* For a look: nothing is read or written, and no other process is kept out. */
	DMU_USE_LOOK,
};

/* What the generation before has left. */
enum dmu_begin {
	/* The store has all that was answered: nothing was, or a flush has covered it. */
	DMU_BEGIN_FIRST,
	/* It has stopped after its last answer, and exported its state, if it has any. */
	DMU_BEGIN_IMPORT,
	/*
	 * It died after answers that no flush has covered. If they were in its memory only, they
	 * are lost, and the next flush must fail; the backend logs it.
	 */
	DMU_BEGIN_LOST,
};

/* What a path is that open() of a backend needs. */
enum dmu_path {
	DMU_PATH_STORE,	/* may come later; a restart reaches it through its mount */
	/*
	 * A small file, as a key or a dictionary, of which a copy at the same path will do: in an
	 * initramfs, or in the memory of dmuser-watch.
	 */
	DMU_PATH_FILE,
};

/* What a call of read..secure_erase is for. It is valid until the call returns. */
struct dmu_call {
	bool self_test;			/* the daemon's own read before it serves, not a client's */
};

/*
 * A system call that an I/O thread of a confined daemon makes for the backend, on one of its
 * descriptors, which is argument 0. The arguments that @match names have these values, all 64 bits.
 */
struct dmu_syscall {
	int number;			/* SYS_pwrite64 */
	struct {
		unsigned int argument;	/* 1 to 5; 0: none */
		uint64_t value;
	} match[2];
};

/*
 * A backend is one file with one such struct, which a daemon lists in struct dmu_daemon. Several
 * threads call read..secure_erase at once. Offsets and lengths are in bytes, multiples of
 * geometry.alignment, and inside geometry.size. Buffers are page-aligned. A flush covers every
 * write that returned before it began. The calls return 0 or -errno; -EOPNOTSUPP answers
 * UNSUPPORTED. -ENOSPC and -EDQUOT answer NOSPC, after which the same request may come again, so a
 * failed sync of a durable write must not return them. write..secure_erase and fds may be NULL: not
 * supported.
 */
struct dmu_backend_ops {
	uint32_t abi;			/* DMU_ABI */
	const char *name;
	const char *help;		/* one line for --help */
	/* Call @each for every path that open() of @spec needs, existing or not. NULL: none. */
	void (*sources)(const struct dmu_spec *spec,
			void (*each)(enum dmu_path kind, const char *path, void *arg), void *arg);
	int (*open)(struct dmu_backend **backend, const struct dmu_spec *spec, enum dmu_use use,
		    char *error, size_t len);
	void (*close)(struct dmu_backend *backend);
	void (*geometry)(const struct dmu_backend *backend, struct dmu_geometry *geometry);
	int (*read)(struct dmu_backend *backend, const struct dmu_call *call, void *buf,
		    size_t len, uint64_t offset);
	int (*write)(struct dmu_backend *backend, const struct dmu_call *call, const void *buf,
		     size_t len, uint64_t offset, bool fua);
	int (*flush)(struct dmu_backend *backend, const struct dmu_call *call);
	int (*discard)(struct dmu_backend *backend, const struct dmu_call *call, uint64_t offset,
		       uint64_t len);
	int (*write_zeroes)(struct dmu_backend *backend, const struct dmu_call *call,
			    uint64_t offset, uint64_t len, bool may_unmap, bool fua);
	int (*secure_erase)(struct dmu_backend *backend, const struct dmu_call *call,
			    uint64_t offset, uint64_t len);
	/*
	 * Both or none: for a backend whose stores may be block devices of which a device is a
	 * plain copy, sector by sector. maps: the block device that the store of @spec is, or 0. If
	 * the kernel can do all requests on it by itself, the daemon lets it, opens the store with
	 * spec.extents ON, and after the self-test calls release, which closes all descriptors: no
	 * other call but close follows.
	 */
	dev_t (*maps)(const struct dmu_spec *spec);
	void (*release)(struct dmu_backend *backend);
	/* Store at most @max descriptors that must stay open through confinement; their count. */
	int (*fds)(const struct dmu_backend *backend, int *fds, int max);
	/*
	 * The system calls of read..secure_erase on those descriptors, an array of @syscall_count;
	 * NULL and 0: none. Any other call than these, pread64, and read, write, poll, futex and
	 * clock_gettime kills a confined daemon: the backend can open, map or allocate nothing
	 * while it serves.
	 */
	const struct dmu_syscall *syscalls;
	unsigned int syscall_count;
	/*
	 * Write to @text (of @len bytes, at most DMU_SPEC_MAX with the NUL) one printable line that
	 * is the same for two open backends of this kind if and only if they share one store, as
	 * two generations must. The line holds until the next boot, though a name or a number may
	 * come to stand for another store. 0 or -errno. NULL: the source identifies the store.
	 */
	int (*identity)(const struct dmu_backend *backend, char *text, size_t len);
	/*
	 * NULL if two generations can serve beside each other. Else the order of a handover is
	 * exclusive: one generation stops, then the next begins. Called once, in an I/O thread,
	 * before the first request, but after open() and the reads of the self-test: what these
	 * have read from the store may be old, because the other generation has served on. It may
	 * wait: requests wait, too, and questions to the daemon; an old daemon waits for its
	 * --timeout. It returns 0 or -errno: then the old daemon serves on; if there is none, this
	 * one exits. With DMU_BEGIN_IMPORT it must not change the store, because the old daemon
	 * serves on, too, if a later step fails. @room is a descriptor with DMU_BEGIN_IMPORT and
	 * export_state, else -1.
	 */
	int (*begin)(struct dmu_backend *backend, enum dmu_begin how, int room, uint64_t size);
	/*
	 * Both, and begin, if the backend answers from state that only its memory has; else none.
	 * The state passes to the next generation through @room, a memfd of @size bytes, zero until
	 * written, by pwrite64 and pread64 alone. When the device is removed, unflushed data is
	 * lost, as in a disk's volatile cache.
	 *
	 * state_max: the largest export of any generation, in bytes, at least 1.
	 *
	 * export_state: in the main thread, after the last answer, with no call in progress. The
	 * state stays as it is, because this generation serves on if a later step fails. 0 or
	 * -errno; -EFBIG: the state does not fit. begin must check every count and offset: another
	 * process wrote them.
	 */
	uint64_t (*state_max)(const struct dmu_backend *backend);
	int (*export_state)(struct dmu_backend *backend, int room, uint64_t size);
};

/* The backend @name of @backends, which end with NULL; or NULL. */
const struct dmu_backend_ops *dmu_backend_find(const struct dmu_backend_ops *const *backends,
					       const char *name);

/* file:PATH, an image file or a block device. */
extern const struct dmu_backend_ops dmu_backend_file;

/* ---- serve: one thread a channel, answering from a backend ---- */

struct dmu_server_stats {
	uint64_t requests[DM_USER_REQ_MAP_WRITE_ZEROES + 1];	/* answered, by DM_USER_REQ_MAP_* */
	uint64_t errors;		/* answered ERROR or NOSPC */
	uint64_t unsupported;		/* answered UNSUPPORTED */
	uint64_t bytes_read, bytes_written;
	uint64_t last_seq;		/* greatest seq answered */
	uint64_t first_answer_ms;	/* CLOCK_MONOTONIC of the first answer; 0: none yet */
};

/* How the loop reads and writes: by default read(2) and writev(2); unit tests bring a fake. */
struct iovec;
struct dmu_transport {
	uint32_t abi;			/* DMU_ABI */
	/* Bytes, 0 at drain, or -errno. */
	ssize_t (*read)(int fd, void *buf, size_t len);
	/* Bytes, or -errno. */
	ssize_t (*writev)(int fd, const struct iovec *iov, int count);
};

struct dmu_server;

#define DMU_SERVER_STACK_BYTES	(64U << 10)	/* of each thread, for the backend's calls, too */

struct dmu_server_config {
	const int *channels;		/* blocking; copied; the server owns them from create on */
	unsigned int channel_count;
	const struct dmu_backend_ops *ops;
	struct dmu_backend *backend;	/* must outlive the server */
	size_t max_io_bytes;		/* largest payload of a request; from dm_user_info */
	uint64_t sectors;		/* of the target */
	const struct dmu_transport *transport;	/* NULL: the default */
	/*
	 * Answer every request with "do it there": at the same sector of the row's first backing
	 * device. The backend is not called. After a flush, declare the daemon clean.
	 */
	bool remaps;
};

/*
 * Make the threads with their buffers and stacks. The threads have made their start-up system calls
 * when this returns, block all signals, and wait for dmu_server_go(), so the process can confine
 * itself in between. From go on a thread only reads, writes and calls the backend; it allocates
 * nothing. Its system calls after go: read, writev, write (its event, a log line), dup3 (in place
 * of its channel, when it fails), futex, poll (only after EAGAIN or ENOMEM), clock_gettime (only
 * where it is no vDSO), ioctl DM_USER_IOC_CLEAN (only if it remaps), and the backend's: for "file"
 * pread64, pwrite64, fdatasync, sync_file_range, fallocate, and ioctl BLKDISCARD and BLKSECDISCARD.
 * -EINVAL: no channel, max_io_bytes is 0 or beyond 64 MiB, @ops has no geometry or read, or a
 * struct has another abi; -ENOMEM, -EAGAIN, -EMFILE. On failure the caller still owns the channels.
 *
 * Failed requests are logged at DMU_LOG_ERR, at most one line in ten seconds.
 */
int dmu_server_create(struct dmu_server **server, const struct dmu_server_config *config);
/*
 * Before go: run @call in each thread, one at a time, and return when all have. For actions that a
 * thread can only take on itself. The first result that is not 0, or -EBUSY after go. Before and
 * after the call a thread makes no system call but futex.
 */
int dmu_server_each(struct dmu_server *server, int (*call)(void *arg), void *arg);
/* The same, in one of the threads only. */
int dmu_server_call(struct dmu_server *server, int (*call)(void *arg), void *arg);
void dmu_server_go(struct dmu_server *server);
/*
 * An eventfd, non-blocking, that polls readable when a thread has left its loop; then read it, and
 * call dmu_server_running(). A thread leaves when its read returns 0 (drained) or -ENOTBLK (target
 * gone), or fails.
 */
int dmu_server_event_fd(const struct dmu_server *server);
unsigned int dmu_server_running(const struct dmu_server *server);
/* 0: every thread that left was drained; -ENOTBLK: the target is gone; else the first failure. */
int dmu_server_result(const struct dmu_server *server);
void dmu_server_stats(const struct dmu_server *server, struct dmu_server_stats *stats);
/*
 * After an undone drain: let threads whose read returned 0 read again. A drained thread leaves its
 * loop (running goes down), but waits and lives until dmu_server_destroy().
 */
void dmu_server_resume(struct dmu_server *server);
/* An open channel, for info, join, drain, seal and dup: the first whose thread has not failed. */
int dmu_server_channel(const struct dmu_server *server);
/*
 * Join the threads, free all, and close the channels: last, when no thread can touch the backend
 * any more. -EBUSY, with nothing done: a thread is in its loop.
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
	 * The block device that the table claims, so that no other process mounts it or makes a
	 * file system there; 0: none. A module older than target version 1.2 claims nothing, and a
	 * read-only device does without the claim if another claim is in the way.
	 */
	dev_t backing;
	/* With the claim: let the kernel map requests to that device by itself. */
	bool extents;
	bool mapped;			/* with extents: it does from the beginning */
};

/* Does the kernel module know extents? Loads it. */
bool dmu_dm_has_extents(void);
/*
 * Create device @name (uuid DMUSER-@name) with that table, resume it, and make sure that
 * /dev/mapper/@name exists. All or nothing. -EEXIST: the name is in use; -ENOENT: no target "user"
 * (the module is not loaded); -EBUSY: the backing device is in use; @error names the step that
 * failed.
 */
int dmu_dm_create(const char *name, const struct dmu_dm_row *row, char *error, size_t len);
/*
 * Let the table of @name, of one row, claim @backing, by a reload under a noflush suspend: requests
 * go back to the queue, and fail only if they may not wait. @read_only: the device is. 1: done; 0:
 * the table claims it already, or the module is too old; -EBUSY: another claim is in the way, or
 * the device is suspended, or a table waits for its resume; -errno with @error. Unless 1, the
 * device is unchanged.
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

/* ---- stores: files and block devices ---- */

/*
 * Identify the file or block device of @fd, as dmu_backend_ops.identity must: two descriptors with
 * the same line share a page cache. Call it before the confinement. 0, or -errno of fstat(2),
 * fstatfs(2) or BLKGETDISKSEQ.
 */
int dmu_store_identity(int fd, char *text, size_t len);

/* ---- below: which device lies on which ---- */

/*
 * True if the file of @fd is block device @device or lies on it: a file or directory of a file
 * system, or a device made of others. Asks sysfs; without it only the nearest device is known. Does
 * not look through overlayfs.
 */
bool dmu_lies_on(int fd, dev_t device);
/*
 * True if a writable device other than @but (0: any) is made of block device @device, of one of its
 * partitions, or of the disk that @device is a partition of. Asks sysfs. @name (of @len bytes): the
 * first such device.
 */
bool dmu_has_holder(dev_t device, dev_t but, char *name, size_t len);

/* ---- process: what a program inherits ---- */

/*
 * Call first in main(). Closed descriptors from 0 to 2 become /dev/null; signals are not blocked,
 * and SIGCHLD is not ignored; scheduling of processor and I/O is not below normal; umask 077; no
 * supplementary groups. A property that cannot be changed stays as it is.
 */
void dmu_process_begin(void);

/* ---- resident: properties of a process that serves its own root (all fail as -errno) ---- */

#define DMU_RESIDENT_STACK_BYTES	(1U << 20)

/*
 * Lift the limits by which a shell's `ulimit` would kill the process: of processor time and of file
 * size. Limit the main thread's stack, all of whose pages are locked.
 */
int dmu_resident_set_limits(void);
/*
 * Forbid core dumps. While a core is written, a crashed process keeps its channels and the requests
 * that they hold, and the core's writer or file may be on the very device.
 */
int dmu_resident_forbid_core(void);
/* Set RLIMIT_MEMLOCK to infinity, then mlockall() current and future memory. */
int dmu_resident_lock_memory(void);
/*
 * PR_SET_IO_FLUSHER for the caller and the threads and processes that it makes later, also through
 * execve(2): their allocations never wait for I/O.
 */
int dmu_resident_io_flusher(void);
/* Set /proc/self/oom_score_adj to -1000. */
int dmu_resident_oom_exempt(void);
/* Make ps show '@' as the first character of argv[0]. Call before threads. */
void dmu_resident_mark_argv(char **argv);
/* Close all descriptors but @keep, sorted or not; 0, 1 and 2 become /dev/null unless kept. */
int dmu_resident_close_fds(const int *keep, int count);

/* ---- root: another root directory, in the process's own private mount namespace ---- */

#define DMU_MOUNTS_MAX	128

/* All mount points but the root. */
struct dmu_mounts {
	char *paths[DMU_MOUNTS_MAX];
	unsigned int count;
	bool full;		/* there are more; only an initramfs needs them all */
};

/* Read /proc/self/mountinfo. 0 or -errno. If 0, the caller calls dmu_mounts_free(). */
int dmu_mounts_read(struct dmu_mounts *mounts);
void dmu_mounts_free(struct dmu_mounts *mounts);
/*
 * Make the working directory, the root of a mount that is not in @mounts, the root directory, and
 * detach the old root with @mounts. 0, or -errno and *@step names the failed step.
 */
int dmu_root_replace(const struct dmu_mounts *mounts, const char **step);

/* ---- log ---- */

enum dmu_log_level { DMU_LOG_ERR = 3, DMU_LOG_WARNING = 4, DMU_LOG_NOTICE = 5, DMU_LOG_INFO = 6 };

/*
 * Send log lines to @kmsg unless -1 (a descriptor of /dev/kmsg, one write a line with a <level>
 * prefix), and to @stream_fd unless -1 (with a newline). @ident begins each line.
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

#ifdef __cplusplus
}
#endif

#endif
