/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dmuserctl: what its subcommands share. A subcommand is one entry of ctl_commands[] and one
 * function that returns an exit status, after it said on stderr, in one line, why it failed.
 */
#ifndef DMU_CTL_H
#define DMU_CTL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>
#include <linux/dm-user.h>

#include "handover/daemon.h"
#include "lib/dmuser.h"
#include "lib/wire.h"

enum ctl_exit {
	CTL_DONE = DMU_EXIT_DONE,
	CTL_FAILED = DMU_EXIT_FAILED,
	CTL_USAGE = DMU_EXIT_USAGE
};

#define CTL_TAB		"/etc/dmusertab"
#define CTL_ERROR_MAX	512
#define CTL_PATH_MAX	4096

/* ---- the command line (ctl_args.c, ctl_table.c) ---- */

/* Options that a command takes; bits of ctl_command.options. */
enum ctl_option {
	CTL_JSON	= 1 << 0,
	CTL_PROGRAM	= 1 << 1,
	CTL_TIMEOUT	= 1 << 2,
	CTL_CHANNELS	= 1 << 3,
	CTL_GENERATION	= 1 << 4,
	CTL_READY	= 1 << 5,
	CTL_GONE	= 1 << 6,
	CTL_FORCE	= 1 << 7,
	CTL_TABFILE	= 1 << 8,
	CTL_RUNDIR	= 1 << 9,
};

struct ctl_args {
	const struct ctl_command *command;	/* NULL with help or version */
	bool help, version;
	unsigned int given;		/* ctl_option bits that were there */
	const char *name;		/* of the device; NULL for a command without */
	const char *spec;		/* BACKEND:SOURCE[,...], or NULL */
	const char *program;		/* path, or NULL for the default */
	const char *run_dir;		/* never NULL */
	const char *tab;		/* never NULL */
	uint64_t timeout_ms;		/* with CTL_TIMEOUT given */
	uint64_t channels;		/* with CTL_CHANNELS given; 1..64 */
	uint64_t generation;		/* with CTL_GENERATION given; from 1 */
};

enum ctl_operands { CTL_NO_OPERAND = 0, CTL_NAME = 1, CTL_NAME_SPEC = 2 }; /* how many at most */

struct ctl_command {
	const char *name;
	const char *summary;		/* one line for --help */
	const char *detail;		/* a paragraph for COMMAND --help */
	enum ctl_operands operands;
	unsigned int options;		/* ctl_option bits */
	int (*run)(const struct ctl_args *args);
};

extern const struct ctl_command ctl_commands[];		/* ends with a NULL name */

/* 0, or -EINVAL and @error says in one line what is wrong. @args points into @argv. */
int ctl_args_parse(struct ctl_args *args, int argc, char **argv, char *error, size_t len);
/* 0, -EINVAL, or -ERANGE: a decimal number in @min..@max, nothing around it. */
int ctl_number_parse(uint64_t *value, const char *text, uint64_t min, uint64_t max);
void ctl_help_print(const struct ctl_command *command);
/* For --help: the options of @mask, one a line. */
void ctl_options_print(unsigned int mask);

/* "dmuserctl: ..." on stderr. */
void ctl_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Print and release @json. An exit status, after an error message if there is no memory for it. */
int ctl_json_print(json_t *json);
/* A string of bytes from outside, which need not be UTF-8. */
json_t *ctl_json_text(const char *text);

int ctl_create(const struct ctl_args *args);
int ctl_status(const struct ctl_args *args);
int ctl_list(const struct ctl_args *args);
int ctl_handover(const struct ctl_args *args);
int ctl_wait(const struct ctl_args *args);
int ctl_remove(const struct ctl_args *args);
int ctl_seal(const struct ctl_args *args);
int ctl_unseal(const struct ctl_args *args);

/* ---- what the kernel says of a target (ctl_kstatus.c; pure) ---- */

#define CTL_GENERATIONS	(DM_USER_GENERATIONS_MAX + 1)	/* and generation 0 */

struct ctl_generation {
	uint64_t number;
	char state[16];			/* serving, draining, drained */
	uint64_t channels, held, answered;
};

/* The INFO status of a target: the words after "user". */
struct ctl_kstatus {
	uint64_t queued, held, fenced, oldest_ms;
	uint64_t channels, generation;
	uint64_t sealed, suspended, daemon;	/* 0 or 1 */
	uint64_t reads, writes, flushes, discards, secure_erases, write_zeroes;
	uint64_t errors, unsupported, requeued, failed, refused;
	uint64_t nospace;			/* requests that wait for space */
	uint64_t android;			/* 0 or 1 */
	unsigned int generation_count;
	struct ctl_generation generations[CTL_GENERATIONS];	/* beyond that: not shown */
};

/* The TABLE status of a target: the words after "user". */
struct ctl_policy {
	char ctl[128];			/* the kernel takes up to 127 */
	bool android;			/* compat:android */
	bool orphans_fail, nodaemon_fail, nospace_wait;
	uint64_t nodaemon_ms;
	bool discard, write_zeroes, secure_erase;
	uint64_t logical_block_size, physical_block_size, max_io;
	char backing[32];		/* "MAJOR:MINOR"; "" if the table claims no device */
};

/*
 * Words of an unknown key are skipped: a newer kernel may say more. -EINVAL: malformed. Whether a row that does not
 * say is compat:android was decided by the module's parameter when it was loaded: the INFO status knows.
 */
int ctl_kstatus_parse(struct ctl_kstatus *status, const char *params);
int ctl_policy_parse(struct ctl_policy *policy, const char *params, bool android);
/* The newest generation that serves, or NULL. */
const struct ctl_generation *ctl_kstatus_serving(const struct ctl_kstatus *status);

/* ---- a device (ctl_dm.c, by libdevmapper) ---- */

struct ctl_device {
	char name[128];			/* DM_NAME_LEN of the kernel */
	char uuid[129];
	uint32_t major, minor;
	int32_t open_count;
	bool suspended, read_only;
	uint64_t start, sectors;	/* of the row */
	char table[1024];		/* the row, as dmsetup prints it */
	struct ctl_policy policy;
	struct ctl_kstatus kstatus;
};

/* Call once, before any other ctl_dm function. */
void ctl_dm_init(void);
/*
 * 0; -ENXIO: no such device; -EMEDIUMTYPE: it has no row of target "user", and @device only what is
 * there without; -ENODATA: likewise, since it has no live table (yet); or another -errno.
 */
int ctl_dm_device(const char *name, struct ctl_device *device);
/*
 * A device that was renamed keeps the name of its run directory in its UUID, and is found by either:
 * this gives the first. Valid until the next call.
 */
const char *ctl_dm_first_name(const char *name);
/* Print why ctl_dm_device() of @name failed. */
void ctl_dm_device_error(const char *name, int error);
/* Call @visit for each device with a row of target "user", until it does not return 0. */
int ctl_dm_each(int (*visit)(const struct ctl_device *device, void *context), void *context);
int ctl_dm_message(const struct ctl_device *device, const char *message);
int ctl_dm_remove(const char *name);
/* Swap the table for one row of target "error" without waiting for what is in flight. */
int ctl_dm_fail(const struct ctl_device *device);
/*
 * A descriptor that polls readable after any DM event, creation or removal since it was last armed.
 * The descriptor, or -errno.
 */
int ctl_dm_events_open(void);
int ctl_dm_events_arm(int fd);

/* ---- the daemon that serves it (ctl_daemon.c, over its socket) ---- */

struct ctl_daemon {
	struct dmu_wire_status status;
	struct dmu_wire_confinement confinement;
	uint64_t locked_bytes;		/* VmLck now, if /proc says; else when it began */
};

/* All but the confinement. 0, or -errno and @error says why nobody answered. */
int ctl_daemon_ask(const char *run_dir, const char *name, struct ctl_daemon *daemon, char *error,
		   size_t len);
/* Of a daemon that has been asked. From one too old for the question, what its STATUS says. */
void ctl_daemon_ask_confinement(const char *run_dir, const char *name, struct ctl_daemon *daemon);

/*
 * A connection to who listens, whose calls give up after two seconds; -ENOENT, -ECONNREFUSED: nobody does;
 * -EAGAIN: too many wait for it already; or another -errno.
 */
int ctl_daemon_dial(const char *run_dir, const char *name);
/* Somebody does, or could not be asked. */
bool ctl_daemon_listens(const char *run_dir, const char *name);
/* The process that made the socket: the kernel's word, not the daemon's. Or -errno of the connection. */
pid_t ctl_daemon_pid(const char *run_dir, const char *name);

/* ---- who starts it again when it has died (ctl_watch.c) ---- */

#define CTL_OPEN_NAME	"open"		/* in RUN_DIR/NAME, while the node is open for a restart */
#define CTL_WATCH_NAME	"watch"		/* in RUN_DIR/NAME; locked by dmuser-watch, which writes it */

struct ctl_watch {
	int pid;
	unsigned int restarts;		/* since it watches */
	unsigned int attempts;		/* since nobody serves */
	uint64_t down_ms;		/* CLOCK_MONOTONIC since when; 0: somebody serves */
	uint64_t next_ms;		/* CLOCK_MONOTONIC of the next attempt; 0: none is due */
	char reason[CTL_ERROR_MAX];	/* of the last failure, why it is unclear who serves, or "" */
};

/* 0; -ENOENT: nobody watches it; or another -errno. */
int ctl_watch_read(const char *run_dir, const char *name, struct ctl_watch *watch);
/* @watch may be NULL: nobody does. */
json_t *ctl_watch_json(const struct ctl_watch *watch);
void ctl_watch_print(const struct ctl_watch *watch);

/* ---- output (ctl_show.c) ---- */

/* @daemon may be NULL; @daemon_error then says why, or is NULL if none was looked for. */
json_t *ctl_device_json(const struct ctl_device *device, const struct ctl_daemon *daemon,
			const char *daemon_error);
void ctl_device_print(const struct ctl_device *device, const struct ctl_daemon *daemon,
		      const char *daemon_error);

/* ---- run directory and programs (ctl_run.c, ctl_copy.c) ---- */

/* @given, or @name beside dmuserctl, in ../libexec, in $PATH. 0 and @path, or -errno and @error. */
int ctl_program_find(char *path, size_t path_len, const char *given, const char *name, char *error,
		     size_t len);
/* The command line of a daemon of either stage. */
struct ctl_daemon_line {
	char *argv[16];
	char channels[24], timeout[24];
};

/* With @ctl: to take over the device whose control node that is. @spec may be NULL then. */
void ctl_program_line(struct ctl_daemon_line *line, const char *argv0, const struct ctl_args *args,
		      const char *ctl, const char *spec);

struct ctl_program {
	const char *path;
	bool in_memory;			/* on a tmpfs; is to run even if that is mounted noexec */
	int patience_ms;		/* until it is killed; -1: for ever */
	/* Called while that lasts, after 5 seconds, 10, 20 and so on; or NULL. */
	void (*waiting)(void *arg, pid_t pid, unsigned int seconds);
	void *arg;
	const volatile sig_atomic_t *told;	/* not 0: not to wait any more; or NULL */
	char *said;			/* what it said, if it exited 0; or NULL */
	size_t said_len;
};

/*
 * Run @program with @argv and wait for it to exit. 0: it exited 0; -ECHILD: it failed, and @error has
 * the last line it said, without its own name and @name before it, or how it ended; -ETIMEDOUT: it was
 * killed, as was the daemon that it was starting, unless that serves already; -EINTR: told, and left to
 * itself; or another -errno.
 */
int ctl_program_run(const struct ctl_program *program, char *const argv[], const char *name, char *error,
		    size_t len);

/* RUN_DIR/NAME[/file]. 0 or -ENAMETOOLONG. */
int ctl_run_path(char *path, size_t len, const char *run_dir, const char *name, const char *file);
/* Make RUN_DIR/NAME if need be, and refuse what does not live in memory. */
int ctl_run_prepare(const char *run_dir, const char *name, char *error, size_t len);
/* A locked descriptor, released by close(); -EWOULDBLOCK: another dmuserctl has it. */
int ctl_run_lock(const char *run_dir, const char *name);
/* Remove all that daemons and dmuserctl leave in RUN_DIR/NAME, and it. */
void ctl_run_clean(const char *run_dir, const char *name);
/* Remove RUN_DIR/NAME if it is empty. */
void ctl_run_leave(const char *run_dir, const char *name);

/* ---- the node, open to root while a daemon is started that nobody could hand a channel to (ctl_open.c) ---- */

/*
 * Unseal the node of @name. That is written down in RUN_DIR/NAME first: the next process with the lock
 * seals it if we are killed before we do. Each 0 or -errno; close: also if the device is gone.
 */
int ctl_node_open(const char *run_dir, const char *name);
int ctl_node_close(const char *run_dir, const char *name);
bool ctl_node_left_open(const char *run_dir, const char *name);

/* What a handover waits for, once it has taken long, on stderr (ctl_waiting.c). */
struct ctl_waiting {
	const struct ctl_args *args;
	uint64_t previous;		/* generation that is to leave; 0: none */
};
void ctl_waiting_say(void *arg, pid_t pid, unsigned int seconds);

/* Copy @source to RUN_DIR/NAME/dmuser-second.@generation, whose path goes to @path. */
int ctl_copy_make(char *path, size_t path_len, const char *source, const char *run_dir,
		  const char *name, uint64_t generation, char *error, size_t len);
/* All of @from to @to. */
int ctl_copy_bytes(int from, int to);
/*
 * With SELinux a copy must lead into the same domain as the program. If that fails, the second
 * stage refuses to serve from where it then is.
 */
void ctl_copy_label(int from, int to);
/* Remove the copies but @keep that nobody runs, after at most @wait_ms for those who leave. */
void ctl_copy_prune(const char *run_dir, const char *name, const char *keep, int wait_ms);
/* 0, or -ENOEXEC and @error: no program, or one that needs a dynamic linker and libraries. */
int ctl_copy_check(int fd, const char *path, char *error, size_t len);

#endif
