// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that users have the kernel get for them, which their cgroup is to bound.
 *
 * The kernel's allocators get and clear as many pages at once as they can, up to
 * 4 MiB, and charge them afterwards: as many callers at the limit of their cgroup
 * would each hold that much beyond it. So large areas are got page by page here.
 */

#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "msr_mem.h"

/* That somebody is at a limit is for the caller to know, not for the kernel's log. */
#define MEM_GFP (GFP_KERNEL_ACCOUNT | __GFP_NOWARN)

/* What the kernel does not think twice about handing out in one piece */
#define SMALL_SIZE (PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER)

static bool get_pages(struct page **pages, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (fatal_signal_pending(current))
			return false;
		pages[i] = alloc_page(MEM_GFP | __GFP_HIGHMEM);
		if (!pages[i])
			return false;
	}
	return true;
}

static void *map_pages(unsigned int count)
{
	struct page **pages;
	unsigned int i;
	void *mem = NULL;

	pages = kvcalloc(count, sizeof(*pages), MEM_GFP);
	if (!pages)
		return NULL;
	if (get_pages(pages, count))
		mem = vmap(pages, count, VM_MAP | VM_MAP_PUT_PAGES, PAGE_KERNEL);
	if (mem)
		return mem; /* and pages are vfree()'s to free */

	for (i = 0; i < count && pages[i]; i++)
		__free_page(pages[i]);
	kvfree(pages);
	return NULL;
}

/**
 * msr_mem_alloc() - get memory that is charged to the caller's memory cgroup
 * @size:	how much, in bytes
 *
 * Context: may sleep. Return: the memory, not cleared, to be freed with kvfree();
 * or NULL.
 */
void *msr_mem_alloc(size_t size)
{
	if (size <= SMALL_SIZE)
		return kvmalloc(size, MEM_GFP);
	return map_pages(DIV_ROUND_UP(size, PAGE_SIZE));
}
