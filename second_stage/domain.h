/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SELinux domain. exec has put the process in one that may prepare (dmuser_second_init_t); it
 * serves in one that may nothing else (dmuser_second_t). sepolicy/ has both.
 */
#ifndef DMUSER_DOMAIN_H
#define DMUSER_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

#define DMU_DOMAIN_MAX	256

struct dmu_domain {
	int fd;				/* of /proc/self/attr/current; -1: closed */
	char context[DMU_DOMAIN_MAX];	/* the process's; "": there is no SELinux, or no policy */
	bool entered;			/* context is that of the serving domain */
};

/*
 * Both: 0, or -errno with @error (of @len bytes) saying in one line what failed.
 *
 * Look where we are, while there is a /proc.
 */
int dmu_domain_find(struct dmu_domain *domain, char *error, size_t len);
/*
 * Before there are threads. 0 without entering it only if there is no SELinux or its policy has no
 * such domain; -EACCES: it has, but there is no way from here.
 */
int dmu_domain_enter(struct dmu_domain *domain, char *error, size_t len);

#endif
