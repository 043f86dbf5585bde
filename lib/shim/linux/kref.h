/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_KREF_H
#define SHIM_KREF_H

#include <linux/types.h>

struct kref {
	unsigned int count;
};

#define KREF_INIT(n)         \
	{                    \
		.count = (n) \
	}

static inline void kref_init(struct kref *kref)
{
	kref->count = 1;
}

static inline void kref_get(struct kref *kref)
{
	kref->count++;
}

static inline int kref_put(struct kref *kref, void (*release)(struct kref *kref))
{
	if (--kref->count)
		return 0;
	release(kref);
	return 1;
}

#endif /* SHIM_KREF_H */
