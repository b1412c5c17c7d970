/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ways to replace the server of a block device while I/O runs, and the load that measures them. The
 * steps of a way NEED to succeed, except a change: main.c counts those that fail.
 */
#ifndef WAYS_H
#define WAYS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/vm/abi/abi.h"

#define STORE		"/dev/ram0"	/* what the servers of the ways serve, O_DIRECT */
#define STORE_BYTES	(64ULL << 20)

struct way {
	const char *name;
	const char *device;
	void (*start)(void);			/* make the device and serve it */
	int (*change)(unsigned int n);		/* the n-th change of server, from 1: 0 or -errno */
	void (*stop)(void);			/* end all of it; I/O that still waits must fail */
	const char *what;
};

extern const struct way ways_dm_user[], ways_table[], ways_ublk[], ways_nbd[];

/* ---- load.c: reads and writes of 4 KiB at a fixed rate; one load at a time ---- */

uint64_t now_ns(void);
void nap_ms(unsigned int ms);
void load_start(const char *device);
/* Wait until no I/O is overdue. False: some I/O still was after @patience_ms. */
bool load_calm(unsigned int patience_ms);
/* I/O due from now until the next call counts for this window of the report; 0: for no window. */
void load_window(unsigned int window);
/* Ends when all I/O under way has ended. */
void load_stop(void);
/*
 * Report the I/O due in windows @first, @first + 2 and so on: its number, errors, percentiles, and
 * the longest of each window, as lines `WAY TAB WORD TAB WHAT TAB VALUE`, times in ns.
 */
void load_report(const char *way, const char *word, unsigned int first);

/* ---- process.c ---- */

/* Start a program of PATH; @in and @out are its descriptors 0 and 3, or -1. Returns its pid. */
pid_t process_start(char *const argv[], int in, int out);
/* A server that can begin writes a byte to @fd; its parent waits for it. */
void process_ready(int fd);
void process_await(int fd);
/* Reap a child. Returns its exit status, or 128 plus the signal. */
int process_end(pid_t pid);
int process_run(char *const argv[]);
/* Kill a child by SIGKILL and reap it. */
void process_kill(pid_t pid);
/* The pid of a process that need not be a child, by the beginning of its name; 0: there is none. */
pid_t process_find(const char *comm);
void process_kill_other(pid_t pid);

/* ---- dm_user.c, ublk.c, nbd.c: one device of each at a time, of STORE_BYTES ---- */

/* Make /dev/mapper/@name; @spec: BACKEND:SOURCE[,option...]. */
void dm_user_create(const char *name, const char *spec);
/* Replace its daemon by a second stage. 0 or -errno. */
int dm_user_handover(const char *name, const char *spec);
void dm_user_remove(const char *name);

/* /dev/ublkb0, with one queue for @depth requests of @io_max bytes; @flags: UBLK_F_*. */
void ublk_start(const char *store, unsigned int depth, unsigned int io_max, uint64_t flags);
void ublk_stop(void);

/* /dev/nbd0, at a Unix socket. */
void nbd_start(const char *store);
void nbd_stop(void);

/* ---- server.c: a program that starts these servers starts itself, as one of them ---- */

/* Call it first in main(). If the program was started as a server, it serves and exits. */
void server_main(int argc, char **argv);
/* They return an exit status. Attach to the device once there is a byte to read at descriptor 0. */
int ublk_server(const char *store, const char *depth, const char *io_max);
/* Serve the socket at descriptor 3. */
int nbd_server(const char *store);

/* A store without bytes: every I/O succeeds at once, and a read leaves the buffer as it is. */
#define STORE_NULL	"null"

/* Open a file or a block device, O_DIRECT, or STORE_NULL. */
int store_open(const char *path);
/* One I/O on the store. Returns bytes or -errno. */
int store_io(int fd, bool write, void *buf, unsigned int len, uint64_t offset);
int store_flush(int fd);	/* 0 or -errno */

#endif
