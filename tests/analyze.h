/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What clang's analyzer must believe of the kernel. A kref_put() may or may not free:
 * it cannot count, would assume the worst of each, and call the next a use after free.
 */
#include <linux/kref.h>

int analyze_kref_put(struct kref *ref);
#define kref_put(ref, release)	analyze_kref_put(ref)
