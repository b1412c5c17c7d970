/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a handover waits for, once it has taken long. */
#ifndef DMU_CTL_WAITING_H
#define DMU_CTL_WAITING_H

#include <stdint.h>
#include <sys/types.h>

#include "ctl/args.h"

struct ctl_waiting {
	const struct ctl_args *args;
	uint64_t previous;		/* generation that is to leave; 0: none */
};
/* On stderr; as struct dmu_program.waiting, with a struct ctl_waiting. */
void ctl_waiting_say(void *arg, pid_t pid, unsigned int seconds);

#endif
