/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The soak: handovers and kills in random order under verified I/O. One process of ours acts on each device, and
 * one more does each load, so that nothing which waits for a device can hold up who is to serve it. They share one
 * page-aligned piece of memory, struct soak.
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
#define SOAK_LIMIT_S		300	/* for what must happen: guests are slow, the machine is shared */

/* ---- random numbers: the same for the same seed, whatever else happens ---- */

struct soak_random {
	uint64_t state;
};

void soak_seed(struct soak_random *random, uint64_t seed, uint64_t stream);
uint64_t soak_draw(struct soak_random *random);
/* 0 to @below - 1; @below is at least 1. */
uint32_t soak_below(struct soak_random *random, uint32_t below);
bool soak_percent(struct soak_random *random, unsigned int percent);

/* ---- the plan: what is done, and when; by the seed alone ---- */

enum soak_kind {
	SOAK_HANDOVER,		/* it must succeed */
	SOAK_KILL_SOLE,		/* the daemon, while nobody takes over; then another is started */
	SOAK_KILL_OLD,		/* the old one, during a handover */
	SOAK_KILL_NEW,
	SOAK_KILL_BOTH,
	SOAK_KINDS
};

enum soak_stop {
	SOAK_STOP_NOBODY,
	SOAK_STOP_OLD,
	SOAK_STOP_NEW,
};

/* What an aimed kill waits for; the kernel's status shows it. */
enum soak_aim {
	SOAK_AIM_NOTHING,	/* its time */
	SOAK_AIM_JOIN,		/* the newcomer has channels of its own */
	SOAK_AIM_DRAIN,		/* the old one drains */
};

/* Times are in thousandths of what a handover usually takes, so that they fit every machine. */
struct soak_action {
	enum soak_kind kind;
	bool first;		/* to the first stage's program, else to the second's */
	bool direct;		/* its cache mode: another one than the old one's makes the order exclusive */
	unsigned int channels;	/* 1 to SOAK_CHANNELS_MAX */
	bool ctl;		/* started by dmuserctl, else by itself */
	enum soak_stop stop;	/* who is stopped meanwhile, and continued */
	unsigned int stop_at, stop_for, kill_at;
	enum soak_aim aim;
	unsigned int aim_us;	/* after what it waits for */
	unsigned int pause_ms;	/* before it */
};

struct soak_plan {
	struct soak_random random, aims;	/* two streams: an aim changes nothing else */
	unsigned int aimed;			/* percent of the kills in a handover */
	unsigned long handovers, kills;		/* left */
};

/* False: it is done. */
bool soak_plan_next(struct soak_plan *plan, struct soak_action *action);
/* One line without newline. */
void soak_action_print(const struct soak_action *action, char *text, size_t len);

/* ---- what the processes share ---- */

struct soak_load {
	atomic_ullong ops, longest_us;
	pid_t pid;
	const char *kind;
};

enum soak_count {
	SOAK_ACTIONS,
	SOAK_HANDOVERS,		/* that were to succeed, and did; of these: */
	SOAK_EXCLUSIVE,		/* to another cache mode */
	SOAK_KILLS_OLD,		/* during a handover, while the old one served or drained */
	SOAK_KILLS_NEW,
	SOAK_KILLS_SOLE,	/* of a daemon that was alone */
	SOAK_AIMED,		/* of the former two: when what they waited for was seen */
	SOAK_ROLLBACKS,		/* after a kill: the old one serves on */
	SOAK_OVERTAKEN,		/* after a kill: the new one serves nevertheless */
	SOAK_RESTARTS,		/* after a kill: nobody did */
	SOAK_STOPS,		/* of either, during a handover */
	SOAK_TO_FIRST, SOAK_TO_SECOND,	/* daemons that came to serve, by their program */
	SOAK_BY_CTL,		/* started by dmuserctl */
	SOAK_COUNTS
};

struct soak_device {
	const char *name, *dir, *disk;		/* dir: of the mounted file system, "" without */
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
	atomic_bool stop;			/* loads: check everything, and end */
	struct soak_device devices[SOAK_DEVICES_MAX];
	unsigned int device_count;
	atomic_flag failed;
	char why[SOAK_WHY_MAX];			/* of the first failure */
};

extern struct soak *soak;

uint64_t soak_now_us(void);
void soak_sleep_us(uint64_t us);
/* End this process: the soak has found something. Only the first one's reason is kept. */
void soak_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ---- actor.c ---- */

/* Does all of @plan to @device, then ends. */
void soak_act(struct soak_device *device, struct soak_plan *plan) __attribute__((noreturn));

/* ---- processes.c: daemons, looked at from outside ---- */

struct soak_daemon {
	pid_t pid, parent;
	bool serves;		/* or is about to: a daemon's program with this device's name */
};

/*
 * Those that live, of device @name, and any child of ours: their count; at most @max are stored. Processes that
 * began before process @younger did may be passed over, which saves much time.
 */
unsigned int soak_daemons(const char *name, pid_t younger, struct soak_daemon *daemons, unsigned int max);
bool soak_alive(pid_t pid);
/* What a daemon has: descriptors by kind, locked memory, threads; in one line. */
void soak_possessions(pid_t pid, char *text, size_t len);
/* Start a program; its words go to file @output. */
pid_t soak_start(char *const argv[], const char *output);

/* ---- loads: one file each ---- */

struct soak_worker {
	struct soak_load *load;
	struct soak_random random;
	const char *dir;
};

struct soak_load_ops {
	const char *kind;
	/* Make what it needs, below @worker->dir. */
	void (*begin)(struct soak_worker *worker);
	/* One operation. */
	void (*step)(struct soak_worker *worker);
	/* Check all that was ever written, from the device, not from memory. */
	void (*end)(struct soak_worker *worker);
};

extern const struct soak_load_ops soak_fsx, soak_append, soak_tree, soak_fio;

/* Fork a process that does it until soak->stop, and then checks everything. */
void soak_load_start(struct soak_device *device, const struct soak_load_ops *ops);

/* ---- helpers of loads; each ends the process if it cannot ---- */

void soak_path(char *path, size_t len, const struct soak_worker *worker, const char *name);
void soak_write(int fd, const void *buf, size_t len, off_t at, const char *what);
/* Exactly @len bytes. */
void soak_read(int fd, void *buf, size_t len, off_t at, const char *what);
void soak_fsync(int fd, bool data_only, const char *what);
/* What was written is in no cache of the kernel's: the next read asks the device. */
void soak_forget(int fd, const char *what);
void soak_fill(void *buf, size_t len, uint64_t id);

#endif
