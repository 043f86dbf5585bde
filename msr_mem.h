/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that users have the kernel get for them.
 */
#ifndef MSR_MEM_H
#define MSR_MEM_H

#include <linux/types.h>

void *msr_mem_alloc(size_t size);

#endif /* MSR_MEM_H */
