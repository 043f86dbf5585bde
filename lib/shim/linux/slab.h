/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_SLAB_H
#define SHIM_SLAB_H

#include <stdlib.h>

#include <linux/overflow.h>
#include <linux/types.h>

#define GFP_KERNEL 0x1u
#define GFP_KERNEL_ACCOUNT 0x2u
#define __GFP_NOWARN 0x4u

static inline void *kvzalloc(size_t size, gfp_t flags)
{
	(void)flags;
	return calloc(1, size);
}

static inline void kvfree(const void *ptr)
{
	free((void *)ptr);
}

#endif /* SHIM_SLAB_H */
