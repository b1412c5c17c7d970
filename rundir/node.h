/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control node, open to root while a daemon is started that no serving daemon can hand a channel to. */
#ifndef DMUSER_NODE_H
#define DMUSER_NODE_H

#include <stdbool.h>

/*
 * Unseal the node of @name. That is written down in RUN_DIR/NAME first: the next process with the lock
 * seals it if we are killed before we do. Each 0 or -errno; close: also if the device is gone.
 */
int dmu_node_open(const char *run_dir, const char *name);
int dmu_node_close(const char *run_dir, const char *name);
bool dmu_node_left_open(const char *run_dir, const char *name);

#endif
