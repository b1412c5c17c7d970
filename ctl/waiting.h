/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Report what a slow command waits for. */
#ifndef DMU_CTL_WAITING_H
#define DMU_CTL_WAITING_H

#include <stdint.h>
#include <sys/types.h>

#include "ctl/args.h"

struct ctl_waiting {
	const struct ctl_args *args;
	uint64_t previous;		/* generation that must leave; 0: none */
};
/* Print it on stderr. For struct dmu_program.waiting, with a struct ctl_waiting as @arg. */
void ctl_waiting_say(void *arg, pid_t pid, unsigned int seconds);

#endif
