/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The soak: handovers and kills in random order under verified I/O. Each device has an actor, a
 * process that replaces and kills its daemons, and each load has a process of its own: a load that
 * waits for a device cannot delay the actor. All share struct soak, in page-aligned memory.
 */
#ifndef SOAK_H
#define SOAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SOAK_DEVICES_MAX	8
#define SOAK_LOADS_MAX		8	/* of a device */
#define SOAK_CHANNELS_MAX	4
#define SOAK_WHY_MAX		2048
#define SOAK_LIMIT_S		300	/* of every wait: guests are slow, the machine is shared */

/* ---- random numbers: the same for the same seed, whatever else happens ---- */

struct soak_random {
	uint64_t state;
};

void soak_seed(struct soak_random *random, uint64_t seed, uint64_t stream);
uint64_t soak_draw(struct soak_random *random);
/* 0 to @below - 1; @below is at least 1. */
uint32_t soak_below(struct soak_random *random, uint32_t below);
bool soak_percent(struct soak_random *random, unsigned int percent);

/* ---- the plan: the actions and their times, from the seed alone ---- */

enum soak_kind {
	SOAK_HANDOVER,		/* it must succeed */
	SOAK_KILL_SOLE,		/* the only daemon, outside of a handover; then start another */
	SOAK_KILL_OLD,		/* the old daemon, during a handover */
	SOAK_KILL_NEW,
	SOAK_KILL_BOTH,
	SOAK_KINDS
};

enum soak_stop {
	SOAK_STOP_NOBODY,
	SOAK_STOP_OLD,
	SOAK_STOP_NEW,
};

/* The moment that an aimed kill waits for, as the kernel's status shows it. */
enum soak_aim {
	SOAK_AIM_NOTHING,	/* not aimed: at kill_at */
	SOAK_AIM_JOIN,		/* the newcomer has joined channels */
	SOAK_AIM_DRAIN,		/* the old daemon drains */
};

/* Times are in thousandths of the usual time of a handover, so that they fit every machine. */
struct soak_action {
	enum soak_kind kind;
	bool first;		/* to the first stage's program, else to the second's */
	bool direct;		/* the cache mode; a change of it makes the handover exclusive */
	unsigned int channels;	/* 1 to SOAK_CHANNELS_MAX */
	bool ctl;		/* the newcomer is started by dmuserctl, else directly */
	enum soak_stop stop;	/* the daemon that is stopped and continued meanwhile */
	unsigned int stop_at, stop_for, kill_at;
	enum soak_aim aim;
	unsigned int aim_us;	/* from that moment to the kill */
	unsigned int pause_ms;	/* before the action */
};

struct soak_plan {
	struct soak_random random, aims;	/* two streams: an aim changes nothing else */
	unsigned int aimed;			/* percent of the kills in a handover */
	unsigned long handovers, kills;		/* left */
};

/* False: the plan is done. */
bool soak_plan_next(struct soak_plan *plan, struct soak_action *action);
/* One line without newline. */
void soak_action_print(const struct soak_action *action, char *text, size_t len);

/* ---- the state that all processes share ---- */

struct soak_load {
	atomic_ullong ops, longest_us;
	pid_t pid;
	const char *kind;
};

enum soak_count {
	SOAK_ACTIONS,
	SOAK_HANDOVERS,		/* that had to succeed, and did; of these: */
	SOAK_EXCLUSIVE,		/* to another cache mode */
	SOAK_KILLS_OLD,		/* during a handover, while the old daemon lived */
	SOAK_KILLS_NEW,		/* likewise */
	SOAK_KILLS_SOLE,	/* of a daemon that was alone */
	SOAK_AIMED,		/* actions with an aimed kill whose moment was seen */
	SOAK_ROLLBACKS,		/* after a kill: the old daemon serves on */
	SOAK_OVERTAKEN,		/* after a kill: the new daemon serves nevertheless */
	SOAK_RESTARTS,		/* after a kill: no daemon was left */
	SOAK_STOPS,		/* of the old or new daemon, during a handover */
	SOAK_TO_FIRST, SOAK_TO_SECOND,	/* daemons that came to serve, by their program */
	SOAK_BY_CTL,		/* started by dmuserctl */
	SOAK_COUNTS
};

struct soak_device {
	const char *name, *dir, *disk;		/* dir: of the mounted file system; "": none */
	struct soak_load loads[SOAK_LOADS_MAX];
	unsigned int load_count;
	pid_t actor;
	atomic_ullong counts[SOAK_COUNTS];
};

struct soak {
	uint64_t seed;
	unsigned int pause_ms;			/* between the operations of a load */
	unsigned int aimed;			/* percent of the kills in a handover */
	bool verbose, spare_forks;
	atomic_bool stop;			/* loads must check everything, and end */
	struct soak_device devices[SOAK_DEVICES_MAX];
	unsigned int device_count;
	atomic_flag failed;
	char why[SOAK_WHY_MAX];			/* of the first failure */
};

extern struct soak *soak;

uint64_t soak_now_us(void);
void soak_sleep_us(uint64_t us);
/* The soak has failed: end this process. Only the first failure's reason is kept. */
void soak_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ---- actor.c ---- */

/* Carry out @plan on @device, then exit. */
void soak_act(struct soak_device *device, struct soak_plan *plan) __attribute__((noreturn));

/* ---- processes.c: daemons, seen from outside ---- */

struct soak_daemon {
	pid_t pid, parent;
	bool serves;		/* or is about to: runs a daemon's program for this device */
};

/*
 * Find the living daemons of device @name and the caller's living children. Returns their number;
 * at most @max are stored. Processes older than @younger may be left out, which saves much time.
 */
unsigned int soak_daemons(const char *name, pid_t younger, struct soak_daemon *daemons,
			  unsigned int max);
bool soak_alive(pid_t pid);
/* A daemon's descriptors by kind, its locked memory and threads; in one line. */
void soak_possessions(pid_t pid, char *text, size_t len);
/* Start a program; its output goes to file @output. */
pid_t soak_start(char *const argv[], const char *output);

/* ---- loads: one file each ---- */

struct soak_worker {
	struct soak_load *load;
	struct soak_random random;
	const char *dir;
};

struct soak_load_ops {
	const char *kind;
	/* Make the load's files below @worker->dir. */
	void (*begin)(struct soak_worker *worker);
	/* One operation. */
	void (*step)(struct soak_worker *worker);
	/* Check all that was written, as the device has it, not as the page cache has it. */
	void (*end)(struct soak_worker *worker);
};

extern const struct soak_load_ops soak_fsx, soak_append, soak_tree, soak_fio;

/* Fork a process that runs the load until soak->stop, and then checks everything. */
void soak_load_start(struct soak_device *device, const struct soak_load_ops *ops);

/* ---- helpers of loads; each calls soak_fail() on an error ---- */

void soak_path(char *path, size_t len, const struct soak_worker *worker, const char *name);
void soak_write(int fd, const void *buf, size_t len, off_t at, const char *what);
/* Read exactly @len bytes. */
void soak_read(int fd, void *buf, size_t len, off_t at, const char *what);
void soak_fsync(int fd, bool data_only, const char *what);
/* Sync the file and drop its pages: the next read asks the device. */
void soak_forget(int fd, const char *what);
void soak_fill(void *buf, size_t len, uint64_t id);

#endif
