/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to libdmuser, shared by serve.c (threads) and request.c (requests). */
#ifndef DMUSER_SERVER_H
#define DMUSER_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/dmuser.h"

#define DMU_SECTOR	512U
#define DMU_TYPES	(DM_USER_REQ_MAP_WRITE_ZEROES + 1)

/* Written by one thread, read by any; see struct dmu_server_stats. */
struct counters {
	_Atomic uint64_t requests[DMU_TYPES];
	_Atomic uint64_t errors, unsupported;
	_Atomic uint64_t bytes_read, bytes_written;
	_Atomic uint64_t last_seq;
	_Atomic uint64_t first_answer_ms;
};

struct worker {
	struct dmu_server *server;
	pthread_t thread;
	int fd;
	void *map;
	size_t map_len;
	void *stack;
	/* The current request and its payload, used by this thread only. */
	struct dm_user_message *message;
	char *payload;
	struct counters counters;
	/* Guarded by server->lock. */
	bool asked;		/* has to run server->call */
	bool loose;		/* is in its loop, or on its way there */
	bool failed;		/* has left the loop for good */
	bool given_up;		/* likewise, and its channel is closed: fd is the eventfd */
} __attribute__((aligned(64)));

struct dmu_server {
	/* Constant from create on. */
	const struct dmu_transport *transport;
	const struct dmu_backend_ops *ops;
	struct dmu_backend *backend;
	struct dmu_geometry geometry;
	bool remaps;
	uint64_t sectors; /* the lesser of the target's and the backend's */
	size_t max_io_bytes;
	int event_fd;
	unsigned int count;

	/* When a failed request may be logged again, and how many were not logged. */
	_Atomic uint64_t next_log_ms, unlogged;

	pthread_mutex_t lock;	/* guards the fields below and the workers' asked..given_up */
	pthread_cond_t changed;	/* of arrived, asked, unanswered, loose, quitting */
	unsigned int arrived;	/* threads that wait or have waited for go */
	int (*call)(void *arg);	/* of dmu_server_each() */
	void *call_arg;
	int call_result;
	unsigned int unanswered;	/* workers with asked set */
	unsigned int running;	/* workers with loose set */
	unsigned int epoch;	/* counts resumes */
	bool gone;		/* dmu_server_go() was called */
	bool quitting;
	int result;

	struct worker workers[];
};

/* Serve until the channel has no more requests: 0 if drained, else -errno. */
int dmu_worker_serve(struct worker *worker);

#endif
