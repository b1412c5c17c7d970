/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control node, unsealed while a daemon starts that no serving daemon can give channels. */
#ifndef DMUSER_NODE_H
#define DMUSER_NODE_H

#include <stdbool.h>

/*
 * Unseal or seal the node of @name. RUN_DIR/NAME/open exists from before the unseal until after the
 * seal: if the process that unsealed is killed, the next process that takes the lock finds the file
 * and seals the node. Return 0 or -errno; close returns 0 also if the device is gone.
 */
int dmu_node_open(const char *run_dir, const char *name);
int dmu_node_close(const char *run_dir, const char *name);
bool dmu_node_left_open(const char *run_dir, const char *name);

#endif
