/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Declarations for clang's analyzer. It cannot count references: it would assume that each
 * kref_put() frees, and report the next one as a use after free.
 */
#include <linux/kref.h>

int analyze_kref_put(struct kref *ref);
#define kref_put(ref, release)	analyze_kref_put(ref)
