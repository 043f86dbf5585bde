/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that the kernel allocates on behalf of users.
 */
#ifndef MSR_MEM_H
#define MSR_MEM_H

#include <linux/types.h>

struct page;
struct vm_area_struct;

/**
 * struct msr_mem - memory of one allocation
 * @addr:	where it is
 * @pages:	its pages, if it was allocated page by page; otherwise NULL
 * @nr_pages:	number of @pages
 */
struct msr_mem {
	void *addr;
	struct page **pages;
	unsigned int nr_pages;
};

int msr_mem_alloc(struct msr_mem *mem, size_t size);
int msr_mem_alloc_mappable(struct msr_mem *mem, size_t size);
int msr_mem_map(const struct msr_mem *mem, struct vm_area_struct *vma);
void msr_mem_free(struct msr_mem *mem);

#endif /* MSR_MEM_H */
