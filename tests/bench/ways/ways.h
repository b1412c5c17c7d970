/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ways to change who serves a block device while I/O runs, and the load that measures them. What a way does
 * NEEDs to succeed, but for a change, which may fail and is counted.
 */
#ifndef WAYS_H
#define WAYS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/vm/abi/abi.h"

#define STORE		"/dev/ram0"	/* what every server serves, O_DIRECT */
#define STORE_BYTES	(64ULL << 20)

struct way {
	const char *name;
	const char *device;
	void (*start)(void);			/* the device, served */
	int (*change)(unsigned int n);		/* the n-th change of server, from 1: 0 or -errno */
	void (*stop)(void);			/* all of it; I/O that still waits is to fail */
	const char *what;
};

extern const struct way ways_dm_user[], ways_table[], ways_ublk[], ways_nbd[];

/* ---- load.c: reads and writes of 4 KiB at a fixed rate; one load at a time ---- */

uint64_t now_ns(void);
void nap_ms(unsigned int ms);
void load_start(const char *device);
/* True once nothing is overdue, false if that doesn't come in @patience_ms. */
bool load_calm(unsigned int patience_ms);
/* What is due from now on, until the next call, counts for this window of the report; 0: for none. */
void load_window(unsigned int window);
/* Ends when all I/O under way has ended. */
void load_stop(void);
/*
 * What came due in windows @first, @first + 2 and on: its number and errors, percentiles, and the longest of each
 * window, as lines `WAY TAB WORD TAB WHAT TAB VALUE`, times in ns.
 */
void load_report(const char *way, const char *word, unsigned int first);

/* ---- process.c ---- */

/* Start a program that is found in PATH; @in and @out are its descriptors 0 and 3, or -1. Its process id. */
pid_t process_start(char *const argv[], int in, int out);
/* A byte on @fd: said by a server that can begin, and awaited by who has started it. */
void process_ready(int fd);
void process_await(int fd);
/* Its exit status, or 128 and the signal. */
int process_end(pid_t pid);
int process_run(char *const argv[]);
/* SIGKILL, and wait until it is gone. */
void process_kill(pid_t pid);
/* Of a process that is no child of ours, by the beginning of its name; 0: there is none. */
pid_t process_find(const char *comm);
void process_kill_other(pid_t pid);

/* ---- what this program is when it is started as a server; they return an exit status ---- */

/* Argument: number of the device. Attaches to it once there is a byte to read at descriptor 0. */
int ublk_server(const char *number);
/* Serves the socket at descriptor 3. */
int nbd_server(void);

/* One I/O on the store; bytes or -errno. */
int store_io(int fd, bool write, void *buf, unsigned int len, uint64_t offset);

#endif
