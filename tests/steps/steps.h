/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steps: kill, stop and otherwise disturb a daemon at every step of its life. This is done from
 * outside: the tested programs are those that are shipped. See README.md.
 *
 *	expect.c	which daemon must serve afterwards
 *	image.c		where a program's functions are
 *	tracee.c	breakpoints
 *	faults.c	faults of a daemon that is held at a breakpoint
 *	world.c		the device, its daemons and the load, seen from outside
 *	scene.c		the beginning of a case
 *	cases.c		one case: run it, and check its end
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
#define PATIENCE_MS	3600000		/* of the daemons: this test makes their time pass */
#define WAIT_S		120		/* of this test */

/* End the program: it cannot go on, or a promise is broken. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
uint64_t now_us(void);
void nap(void);			/* two milliseconds */

/* ---- image.c ---- */

enum stage { FIRST, SECOND, SECOND_WB, STAGES };

#define STATE_FUNCTIONS	2

struct image {
	const char *path;
	const char *backend;		/* symbol of a struct dmu_backend_ops with state, or NULL */
	uint64_t entry;
	uint64_t daemon;		/* a static variable of a function: its name has a suffix */
	/* The backend's functions for its state, in the order of its ops. */
	const char *state_functions[STATE_FUNCTIONS + 1];
	const char *strings, *map;
	const void *symbols;
	size_t count;
};

extern struct image images[STAGES];

void images_open(void);
/* The address of function @name, from the load address; dies if there is none. */
uint64_t image_symbol(const struct image *image, const char *name);

/* ---- tracee.c ---- */

enum kind { POINT_STEP, POINT_EVENT, POINT_ACTION };

struct point {
	enum kind kind;
	char name[NAME_MAX_STEPS];	/* for the table */
	const char *function;		/* of a step */
	bool payload;			/* of a read: of more than a request's header */
	struct place place;		/* the daemon's place then */
};

#define BREAKPOINTS_MAX	48
#define THREADS_MAX	16

struct breakpoint {
	uint64_t at;
	uint8_t byte;
	const char *function;
};

/* A daemon that is watched, traced or not. */
struct tracee {
	pid_t pid;			/* 0: none */
	enum stage stage;
	uint64_t base;
	int mem, pidfd;
	bool dead;
	/* Traced: */
	pid_t threads[THREADS_MAX];
	unsigned int thread_count;
	pid_t held;			/* the thread that is stopped at @at, or 0 */
	struct breakpoint breakpoints[BREAKPOINTS_MAX];
	unsigned int breakpoint_count;
	struct point at;		/* when held */
	enum dmu_state state;		/* of the transition under way */
	enum dmu_event event;
};

/* Watch @pid, which runs @stage's program. */
void tracee_watch(struct tracee *tracee, pid_t pid, enum stage stage);
void tracee_forget(struct tracee *tracee);
/* Trace a running daemon: its main thread, or all threads. */
void tracee_seize(struct tracee *tracee, bool all);
/* Set breakpoints on all functions that are points; @io: on those of the I/O threads instead. */
void tracee_arm(struct tracee *tracee, bool io);
/* Remove the breakpoints. False: the daemon has been killed meanwhile. */
bool tracee_disarm(struct tracee *tracee);
/* Handle waitpid()'s @status of one of its threads. True: the thread is held now, at point @at. */
bool tracee_stopped(struct tracee *tracee, pid_t thread, int status);
bool tracee_owns(const struct tracee *tracee, pid_t thread);
/* Move the held thread behind its breakpoint, if it is at one; it stays held. */
void tracee_step_off(struct tracee *tracee);
/* Let the held thread go on. */
void tracee_continue(struct tracee *tracee);
/* End the tracing, and leave no effect of it; @signal, if not 0, is sent at the point. */
void tracee_release(struct tracee *tracee, int signal);
/* Trace @child as its parent @of was traced. */
void tracee_inherit(struct tracee *tracee, const struct tracee *of, pid_t child);
/* Read struct dmu_context from the daemon's memory. False: the daemon is gone. */
bool tracee_read(const struct tracee *tracee, struct dmu_context *daemon);
/* A duplicate of the daemon's descriptor @fd; -1: there is none. */
int tracee_fd(const struct tracee *tracee, int fd);
bool point_same(const struct point *a, const struct point *b);

/* ---- faults.c ---- */

void faults_open(void);
/* Inject @fault into the held daemon and release it. False: this fault cannot happen here. */
bool fault_inject(struct tracee *tracee, enum fault fault);

/* ---- world.c ---- */

struct seen {				/* of the device from outside */
	int pid;			/* of the daemon that answers; 0: none does */
	uint64_t generation;
	bool sealed;
	enum dmu_cache_mode cache;
	unsigned int fds;		/* once it is quiet */
	unsigned long locked_kb;
	enum stage stage;
};

/* A device under load, served except when a case interrupts that. */
struct subject {
	const char *name, *disk;
	const char *load;		/* its load's status file */
};

enum { PLAIN, STATEFUL, SUBJECTS };

extern struct subject subjects[SUBJECTS];

/* A thread's state letter, as in ps; 0: there is no such thread. */
char proc_state(pid_t pid, pid_t thread);
bool proc_lives(pid_t pid);
/* It lives no longer, but its pidfd does not report its death yet. */
bool proc_dies(const struct tracee *tracee);
/* It has nothing to do: it waits for another process. */
bool proc_quiet(const struct tracee *tracee);
/* ms until its step times out, or -1. */
long long timer_left(const struct tracee *tracee);
void timer_expire(const struct tracee *tracee);
unsigned int proc_fds(pid_t pid);
unsigned long proc_locked_kb(pid_t pid);
/* It has a memfd for state open or mapped, which only a handover needs. */
bool proc_keeps_room(pid_t pid);
/* Ask the daemon that serves for its status. */
void world_look(const char *name, struct seen *seen);
/* A word of the device's status, like "failed:"; negative: there is none. tests/vm/abi/dm.c. */
long long dm_word(const char *name, const char *key);
int dm_remove(const char *name);
/* The number of living daemons of any device; *@zombies: of dead daemons that are not reaped. */
unsigned int world_daemons(unsigned int *zombies);
void load_open(const char *path);
uint64_t load_word(const char *word);
/* Wait until every thread of the load has made progress. Returns NULL, or what is wrong. */
const char *load_goes_on(void);
/* Likewise, after the load has flushed. load_word("told=") counts flushes that reported a loss. */
const char *load_flushes(void);

/* ---- cases.c ---- */

enum role { OLD, NEW };

struct scenario {
	const char *name;
	enum role victim;
	enum stage old, newcomer;
	bool nobody;			/* no daemon serves at the beginning */
	bool create;			/* the newcomer makes the device */
	bool removed;			/* the fault is the removal of the case's own device */
	bool exclusive;
	bool stateful;			/* of the device whose daemons have state in memory */
	bool io;			/* points of the I/O threads */
	bool idle;			/* there is no handover */
	/* The point of a fault that the other side gets first; NULL: it gets none. */
	const char *provoked_at;
	enum fault provocation;
	bool late;			/* the other side has said DRAINED by then */
	const char *wb_fault;		/* the newcomer's WB_FAULT; NULL: none */
	/* Of the daemon that serves after a run without a fault: */
	enum dmu_cache_mode cache;
	unsigned int fds;
	unsigned long locked_kb;
};

#define OUTCOME_TEXT	200

struct result {
	char letter;			/* see README.md */
	char problem[OUTCOME_TEXT];	/* "": as promised */
};

/* Find every point that the victim passes in a run without a fault. Returns their number. */
unsigned int case_points(struct scenario *scenario, struct point *points, unsigned int max);
void case_run(const struct scenario *scenario, const struct point *point, enum fault fault,
	      struct result *result);
#endif
