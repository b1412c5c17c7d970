/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hooks of struct dmu_stage; confine.c has the order of the confinement. */
#ifndef DMUSER_CONFINE_H
#define DMUSER_CONFINE_H

#include "daemon/stage.h"

int dmu_confine(struct dmu_confinement *confinement, char *error, size_t len);
int dmu_confine_filter(struct dmu_confinement *confinement, char *error, size_t len);
int dmu_confine_verify(struct dmu_confinement *confinement, char *error, size_t len);

#endif
