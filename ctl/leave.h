/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon of a device that loses its target exits by itself. */
#ifndef DMU_CTL_LEAVE_H
#define DMU_CTL_LEAVE_H

#include "ctl/args.h"

/* A pidfd of the serving daemon, or -1. */
int ctl_leave_watch(const struct ctl_args *args);
/* Wait for the daemon's exit: then its files are safe to remove. Closes @pidfd. */
void ctl_leave_await(int pidfd);

#endif
