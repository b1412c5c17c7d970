/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a device that is gone has left. */
#ifndef DMUSER_CLEAN_H
#define DMUSER_CLEAN_H

/* Remove all that daemons and dmuserctl leave in RUN_DIR/NAME, and it. */
void dmu_run_clean(const char *run_dir, const char *name);

#endif
