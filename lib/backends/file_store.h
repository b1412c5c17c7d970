/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to libdmuser: the store of backend "file", from name to descriptor. */
#ifndef DMUSER_FILE_H
#define DMUSER_FILE_H

#include "lib/dmuser.h"

#define DMU_FILE_BLOCK_MAX	4096U	/* of logical and physical blocks, bytes */

struct dmu_file {
	int fd;
	bool is_bdev;
	bool writable;		/* by this descriptor */
	struct dmu_geometry geometry;
};

/* Its number, if @source is a block device; else 0. */
dev_t dmu_file_bdev(const char *source);
/* Open, measure and lock the store. 0, or -errno with @error, which names the source. */
int dmu_file_open(struct dmu_file *file, const struct dmu_spec *spec, enum dmu_use use,
		  char *error, size_t len);

#endif
