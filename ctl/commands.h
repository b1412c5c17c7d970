/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All of dmuserctl's subcommands. */
#ifndef DMU_CTL_COMMANDS_H
#define DMU_CTL_COMMANDS_H

#include "ctl/args.h"

extern const struct ctl_command ctl_commands[];		/* ends with a NULL name */

int ctl_create(const struct ctl_args *args);
int ctl_status(const struct ctl_args *args);
int ctl_list(const struct ctl_args *args);
int ctl_handover(const struct ctl_args *args);
/* The same for a caller that has the lock of RUN_DIR/NAME already. */
int ctl_handover_locked(const struct ctl_args *args, int lock);
int ctl_program(const struct ctl_args *args);
int ctl_wait(const struct ctl_args *args);
int ctl_retire(const struct ctl_args *args);
int ctl_attach(const struct ctl_args *args);
int ctl_remove(const struct ctl_args *args);
int ctl_seal(const struct ctl_args *args);
int ctl_unseal(const struct ctl_args *args);

#endif
