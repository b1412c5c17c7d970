/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a device that is gone has left. */
#ifndef DMUSER_CLEAN_H
#define DMUSER_CLEAN_H

/*
 * Remove all that daemons, dmuserctl and dmuser-watch leave in RUN_DIR/NAME, and the directory if
 * that was all. The caller listens there no more. A daemon that starts or listens there keeps
 * everything.
 */
void dmu_run_clean(const char *run_dir, const char *name);

#endif
