/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Declarations for clang's analyzer. The analyzer cannot count references: it would assume that
 * each kref_put() frees the object, and report the next kref_put() as a use after free.
 */
#include <linux/kref.h>

int analyze_kref_put(struct kref *ref);
#define kref_put(ref, release)	analyze_kref_put(ref)
