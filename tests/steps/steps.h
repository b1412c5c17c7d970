/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steps: has a daemon killed, stopped and so on at every step of its life, from outside, so that the programs are
 * those that are shipped. See README.md.
 *
 *	expect.c	who is to serve afterwards
 *	image.c		where a program's functions are
 *	tracee.c	breakpoints
 *	faults.c	what happens to a daemon at one
 *	world.c		the device, its daemons, the load: what can be seen from outside
 *	cases.c		one case: bring it about, look at the end
 *	main.c		all cases, and the table
 */
#ifndef STEPS_H
#define STEPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/attach.h"
#include "daemon/prepare.h"
#include "daemon/start.h"
#include "tests/steps/expect.h"

#define NAME_MAX_STEPS	64
#define PATIENCE_MS	3600000		/* of the daemons: time passes when this test says so */
#define WAIT_S		120		/* of this test */

/* Ends the program: it cannot go on, or what was promised is not so. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
uint64_t now_us(void);
void nap(void);			/* two milliseconds */

/* ---- image.c ---- */

enum stage { FIRST, SECOND, SECOND_WB, STAGES };

#define STATE_FUNCTIONS	4

struct image {
	const char *path;
	const char *backend;		/* symbol of a struct dmu_backend_ops with state, or NULL */
	uint64_t entry;
	uint64_t daemon;		/* a variable of a function, whose name has a suffix */
	/* Of the backend's ops for its state, as the table of ops has them. */
	const char *state_functions[STATE_FUNCTIONS + 1];
	const char *strings, *map;
	const void *symbols;
	size_t count;
};

extern struct image images[STAGES];

void images_open(void);
/* Where the symbol is, from the load address; dies if there is none. */
uint64_t image_symbol(const struct image *image, const char *name);

/* ---- tracee.c ---- */

enum kind { POINT_STEP, POINT_EVENT, POINT_ACTION };

struct point {
	enum kind kind;
	char name[NAME_MAX_STEPS];	/* for the table */
	const char *function;		/* of a step */
	bool payload;			/* of a read: of more than a request's header */
	struct place place;		/* of an event or an action; of a step where the daemon is then */
};

#define BREAKPOINTS_MAX	48
#define THREADS_MAX	16

struct breakpoint {
	uint64_t at;
	uint8_t byte;
	const char *function;
};

/* A daemon that is looked at, traced or not. */
struct tracee {
	pid_t pid;			/* 0: none */
	enum stage stage;
	uint64_t base;
	int mem, pidfd;
	bool dead;
	/* Traced: */
	pid_t threads[THREADS_MAX];
	unsigned int thread_count;
	pid_t held;			/* thread that has been stopped at @at, or 0 */
	struct breakpoint breakpoints[BREAKPOINTS_MAX];
	unsigned int breakpoint_count;
	struct point at;		/* when held */
	enum dmu_state state;		/* of the transition under way */
	enum dmu_event event;
};

/* Look at @pid, which has @stage's program. */
void tracee_watch(struct tracee *tracee, pid_t pid, enum stage stage);
void tracee_forget(struct tracee *tracee);
/* Trace one that runs: its main thread, or all. */
void tracee_seize(struct tracee *tracee, bool all);
/* Breakpoints on all functions that are points; @io: on those of its I/O threads instead. */
void tracee_arm(struct tracee *tracee, bool io);
bool tracee_disarm(struct tracee *tracee);
/* waitpid() has said @status of one of its threads. true: it is held at a point now, see @at. */
bool tracee_stopped(struct tracee *tracee, pid_t thread, int status);
bool tracee_owns(const struct tracee *tracee, pid_t thread);
/* Behind the breakpoint that it is held at, if it is; it stays held. */
void tracee_step_off(struct tracee *tracee);
/* Go on from the point. */
void tracee_continue(struct tracee *tracee);
/* No longer traced, and as if it had never been; but for a signal, if not 0, that it has had at the point. */
void tracee_release(struct tracee *tracee, int signal);
/* From now on, this one is traced, as @of was: its child. */
void tracee_inherit(struct tracee *tracee, const struct tracee *of, pid_t child);
/* The daemon's own struct, from its memory. false: it is gone. */
bool tracee_read(const struct tracee *tracee, struct dmu_daemon *daemon);
/* A duplicate of a descriptor of its; -1: there is none. */
int tracee_fd(const struct tracee *tracee, int fd);
bool point_same(const struct point *a, const struct point *b);

/* ---- faults.c ---- */

void faults_open(void);
/* To the one that is held, and then let it go. false: there is nothing here that could fail so. */
bool fault_inject(struct tracee *tracee, enum fault fault);

/* ---- world.c ---- */

struct seen {				/* of the device from outside */
	int pid;			/* that says it serves; 0: nobody answers */
	uint64_t generation;
	bool sealed;
	enum dmu_cache_mode cache;
	unsigned int fds;		/* once it is quiet */
	unsigned long locked_kb;
	enum stage stage;
};

/* A device that is served all the time, under load. */
struct subject {
	const char *name, *disk;
	const char *load;		/* its load's status file */
};

enum { PLAIN, STATEFUL, SUBJECTS };

extern struct subject subjects[SUBJECTS];

/* The state of a thread as ps says it; 0 if there is none. */
char proc_state(pid_t pid, pid_t thread);
bool proc_lives(pid_t pid);
/* It no longer lives, but it is not dead for who waits for that. */
bool proc_dies(const struct tracee *tracee);
/* Nothing is under way in it, and nothing waits for it: it waits for somebody else. */
bool proc_quiet(const struct tracee *tracee);
/* ms until its step times out, or -1. */
long long timer_left(const struct tracee *tracee);
void timer_expire(const struct tracee *tracee);
unsigned int proc_fds(pid_t pid);
unsigned long proc_locked_kb(pid_t pid);
/* It has a room for state open or mapped, which only a handover needs. */
bool proc_keeps_room(pid_t pid);
/* Ask who serves. */
void world_look(const char *name, struct seen *seen);
/* A word of the device's status, like "failed:"; negative: there is none. tests/vm/abi/dm.c. */
long long dm_word(const char *name, const char *key);
int dm_remove(const char *name);
/* Daemons that live, zombies included: of any device. */
unsigned int world_daemons(unsigned int *zombies);
void load_open(const char *path);
uint64_t load_word(const char *word);
/* Every thread of the load gets on from here, without an error. NULL, or what is wrong. */
const char *load_goes_on(void);
/* And has what it wrote flushed. How often, up to now, a flush has told of a loss: load_word("told="). */
const char *load_flushes(void);

/* ---- cases.c ---- */

enum role { OLD, NEW };

struct scenario {
	const char *name;
	enum role victim;
	enum stage old, newcomer;
	bool nobody;			/* serves at the beginning */
	bool create;			/* the device is made */
	bool removed;			/* a device of its own is, and that is the fault */
	bool exclusive;
	bool stateful;			/* the device whose daemons have state in memory */
	bool io;			/* points of the I/O threads */
	bool idle;			/* there is no handover */
	/* What happens to the other side first, and where; NULL: nothing. */
	const char *provoked_at;
	enum fault provocation;
	bool late;			/* it has said DRAINED then */
	/* Of who serves after it, if nothing happens: */
	unsigned int fds;
	unsigned long locked_kb;
};

#define OUTCOME_TEXT	200

struct result {
	char letter;			/* see README.md */
	char problem[OUTCOME_TEXT];	/* "": as promised */
};

/* Every point that the victim passes if nothing happens to it. */
unsigned int case_points(struct scenario *scenario, struct point *points, unsigned int max);
void case_run(const struct scenario *scenario, const struct point *point, enum fault fault, struct result *result);
#endif
