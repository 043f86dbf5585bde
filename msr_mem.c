// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that the kernel allocates on behalf of users, bounded by their cgroup.
 *
 * The kernel's allocators allocate and clear as many pages at once as they can, up
 * to 4 MiB, and charge them afterwards. With many callers at the limit of their
 * cgroup, each would hold that much beyond it. So large areas are allocated page by
 * page here. vfree() could free such an area (VM_MAP_PUT_PAGES), but kernels before
 * 6.13 then subtract its pages from VmallocUsed without having added them.
 */

#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "msr_compat.h"
#include "msr_mem.h"

/* A caller at its limit learns so from the error. The kernel's log need not say it. */
#define MEM_GFP (GFP_KERNEL_ACCOUNT | __GFP_NOWARN)

/* The allocator serves this in one piece without much effort. */
#define SMALL_SIZE (PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER)

static void free_pages_of(struct msr_mem *mem)
{
	while (mem->nr_pages)
		__free_page(mem->pages[--mem->nr_pages]);
	kvfree(mem->pages);
	mem->pages = NULL;
}

static bool alloc_pages_of(struct msr_mem *mem, unsigned int count, gfp_t gfp)
{
	struct page *page;

	while (mem->nr_pages < count) {
		if (fatal_signal_pending(current))
			return false;
		page = alloc_page(gfp);
		if (!page)
			return false;
		mem->pages[mem->nr_pages++] = page;
	}
	return true;
}

static int map_pages(struct msr_mem *mem, unsigned int count, gfp_t gfp)
{
	mem->pages = kvcalloc(count, sizeof(*mem->pages), MEM_GFP);
	if (!mem->pages)
		return -ENOMEM;
	if (alloc_pages_of(mem, count, gfp))
		mem->addr = vmap(mem->pages, count, VM_MAP, PAGE_KERNEL);
	if (mem->addr)
		return 0;

	free_pages_of(mem);
	return -ENOMEM;
}

/**
 * msr_mem_alloc() - allocate memory that is charged to the caller's memory cgroup
 * @mem:	set; msr_mem_free() frees it
 * @size:	in bytes
 *
 * The memory is not cleared.
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int msr_mem_alloc(struct msr_mem *mem, size_t size)
{
	might_sleep();
	*mem = (struct msr_mem){ 0 };
	if (size > SMALL_SIZE)
		return map_pages(mem, DIV_ROUND_UP(size, PAGE_SIZE), MEM_GFP | __GFP_HIGHMEM);
	mem->addr = kvmalloc(size, MEM_GFP);
	return mem->addr ? 0 : -ENOMEM;
}

/**
 * msr_mem_alloc_mappable() - allocate memory that msr_mem_map() can map
 * @mem:	set; msr_mem_free() frees it
 * @size:	in bytes, a multiple of the size of a page
 *
 * The memory is cleared, and charged to the caller's memory cgroup.
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int msr_mem_alloc_mappable(struct msr_mem *mem, size_t size)
{
	might_sleep();
	*mem = (struct msr_mem){ 0 };
	return map_pages(mem, size / PAGE_SIZE, MEM_GFP | __GFP_ZERO);
}

/**
 * msr_mem_map() - map memory for a user
 * @mem:	set by msr_mem_alloc_mappable(); it must not be freed while the mapping exists
 * @vma:	where to, of the same size
 *
 * Nothing can get a reference to a page by the mapping, so no page outlives its allocation.
 *
 * Context: in mmap(2). Return: 0 or a negative errno.
 */
int msr_mem_map(const struct msr_mem *mem, struct vm_area_struct *vma)
{
	unsigned long addr = vma->vm_start;
	unsigned int i;
	int err = 0;

	for (i = 0; i < mem->nr_pages && !err; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		err = remap_pfn_range(vma, addr, page_to_pfn(mem->pages[i]), PAGE_SIZE,
				      vma->vm_page_prot);
		addr += PAGE_SIZE;
	}
	return err;
}

/**
 * msr_mem_free() - free memory
 * @mem:	set by msr_mem_alloc(), or zeroed
 *
 * Context: may sleep.
 */
void msr_mem_free(struct msr_mem *mem)
{
	might_sleep();
	if (mem->pages) {
		vunmap(mem->addr);
		free_pages_of(mem);
	} else {
		kvfree(mem->addr);
	}
}
