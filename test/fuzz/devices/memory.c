// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory to hand to system calls.
 */

#include "memory.h"

#define PAGE 4096UL
#define BASE 0x10000000000UL
#define BIG ((4UL << 20) + 16 * PAGE)
#define AROUND 64UL /* bytes that are guarded before and behind */

enum { FIRST_LARGE = 5, NR_REGIONS = 13 };

static struct region {
	size_t size;
	int prot;
	uintptr_t start;
	uintptr_t end;
	char *alias; /* the same memory, to write to it though it is read-only */
} regions[NR_REGIONS] = {
	{ .size = PAGE, .prot = PROT_NONE },
	{ .size = 4 * PAGE, .prot = PROT_READ | PROT_WRITE },
	{ .size = PAGE, .prot = PROT_READ },
	{ .size = PAGE, .prot = PROT_READ | PROT_WRITE },
	{ .size = PAGE, .prot = PROT_NONE },

	{ .size = BIG, .prot = PROT_READ | PROT_WRITE },
	{ .size = PAGE, .prot = PROT_NONE },
	{ .size = 16 * PAGE, .prot = PROT_READ | PROT_WRITE },
	{ .size = PAGE, .prot = PROT_NONE },
	{ .size = BIG, .prot = PROT_READ | PROT_WRITE },
	{ .size = PAGE, .prot = PROT_READ },
	{ .size = 16 * PAGE, .prot = PROT_READ | PROT_WRITE },
	{ .size = PAGE, .prot = PROT_NONE },
};

static struct {
	uintptr_t start;
	uintptr_t end;
	unsigned char before[BIG + 2 * AROUND];
	unsigned char after[BIG + 2 * AROUND];
} guarded;

static bool map_region(struct region *region)
{
	void *start = (void *)region->start;
	int prot = region->prot ? PROT_READ | PROT_WRITE : PROT_NONE;

	if (mmap(start, region->size, prot, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		 0) != start)
		return false;
	region->alias = start;
	if (region->prot != PROT_READ)
		return true;
	/* An old size of 0 leaves the old mapping where it is. */
	region->alias = mremap(start, 0, region->size, MREMAP_MAYMOVE);
	return region->alias != MAP_FAILED && !mprotect(start, region->size, PROT_READ);
}

bool memory_init(void)
{
	uintptr_t address = BASE;
	unsigned int i;

	for (i = 0; i < NR_REGIONS; i++) {
		struct region *region = &regions[i];

		region->start = address;
		address += region->size;
		region->end = address;
		if (!map_region(region))
			return false;
	}
	return true;
}

static const struct region *region_of(uintptr_t address)
{
	unsigned int i;

	for (i = 0; i < NR_REGIONS; i++)
		if (address >= regions[i].start && address < regions[i].end)
			return &regions[i];
	return NULL;
}

size_t reach(const void *p, size_t len, int prot)
{
	uintptr_t address = (uintptr_t)p;
	size_t reached = 0;

	while (reached < len) {
		const struct region *region = region_of(address + reached);

		if (!region || (region->prot & prot) != prot)
			return reached;
		reached = region->end - address;
	}
	return len;
}

static void *bad_place(struct rng *rng)
{
	static const uint64_t places[] = {
		0,
		8,
		4095,
		0x7ffffffff000,
		0x7fffffffeff8,
		0x7fffffffeffc,
		0x7ffffffffff8,
		0x7fffffffffff,
		0x800000000000,
		0x800000000008,
		0x4000000000000000,
		0x7fffffffffffffff,
		0x8000000000000000,
		0xffff800000000000,
		0xffff888000000000,
		0xffffffff81000000,
		0xffffffffff600000,
		UINT64_MAX - 7,
		UINT64_MAX - 31,
		UINT64_MAX,
	};

	return (void *)pick(rng, places);
}

/* Before a boundary, so that a part of any size is behind it */
static void *across(struct rng *rng, uintptr_t boundary, size_t len)
{
	size_t most = boundary - BASE;

	len = len < 2 ? 2 : len;
	most = len - 1 < most ? len - 1 : most;
	switch (below(rng, 4)) {
	case 0:
		return (void *)(boundary - 1 - below(rng, most < 64 ? most : 64));
	case 1:
		return (void *)(boundary - most + below(rng, most < 64 ? most : 64));
	default:
		return (void *)(boundary - 1 - below(rng, most));
	}
}

static void *good_place(struct rng *rng, const struct region *region, size_t len)
{
	size_t room, at;

	len = len < region->size ? len : region->size;
	room = region->size - len;
	switch (below(rng, 4)) {
	case 0: /* up to its last byte */
		return (void *)(region->end - len);
	case 1:
		at = below(rng, room + 1);
		break;
	default:
		/* Mostly the same few pages: others are zeroed first when they are used. */
		at = below(rng, (room < 8 * PAGE ? room : 8 * PAGE) + 1) & ~UINT64_C(7);
	}
	return (void *)(region->start + at);
}

void *random_place(struct rng *rng, enum memory memory, size_t len)
{
	const struct region *none = &regions[memory == LARGE ? FIRST_LARGE + 1 : 0];
	const struct region *before_none = &regions[memory == LARGE ? FIRST_LARGE : 3];
	const struct region *before_ro = &regions[memory == LARGE ? FIRST_LARGE + 4 : 1];

	switch (below(rng, 40)) {
	case 0:
		return bad_place(rng);
	case 1:
		return across(rng, before_none->end, len);
	case 2:
		return across(rng, before_ro->end, len);
	case 3:
		return across(rng, none->end, len);
	case 4:
		return across(rng, before_ro[1].end, len);
	case 5:
		return (void *)(before_ro->end + below(rng, PAGE - 64));
	default:
		return good_place(rng, one_in(rng, 2) ? before_none : before_ro, len);
	}
}

/* The part of [*start, *end) that lies in a region */
static bool part_in(const struct region *region, uintptr_t *start, uintptr_t *end)
{
	*start = *start > region->start ? *start : region->start;
	*end = *end < region->end ? *end : region->end;
	return region->prot & PROT_READ && *start < *end;
}

void put_bytes(void *p, const void *bytes, size_t len)
{
	uintptr_t address = (uintptr_t)p;
	unsigned int i;

	if (!region_of(address))
		return;
	for (i = 0; i < NR_REGIONS; i++) {
		uintptr_t start = address, end = address + len;

		if (part_in(&regions[i], &start, &end))
			memcpy(regions[i].alias + (start - regions[i].start),
			       (const char *)bytes + (start - address), end - start);
	}
}

void guard(const void *p, size_t len)
{
	uintptr_t address = (uintptr_t)p;
	unsigned int i;

	guarded.start = guarded.end = 0;
	if (!region_of(address))
		return;
	guarded.start = address - AROUND;
	guarded.end = address + (len < BIG ? len : BIG) + AROUND;
	for (i = 0; i < NR_REGIONS; i++) {
		uintptr_t start = guarded.start, end = guarded.end;

		if (!part_in(&regions[i], &start, &end))
			continue;
		memcpy(guarded.before + (start - guarded.start), (void *)start, end - start);
		memcpy(guarded.after + (start - guarded.start), (void *)start, end - start);
	}
}

void *expected(const void *p)
{
	return guarded.after + ((uintptr_t)p - guarded.start);
}

void expect_old_or_new(const void *p, size_t len)
{
	unsigned int i;

	for (i = 0; i < NR_REGIONS; i++) {
		uintptr_t start = (uintptr_t)p, end = start + len;

		if (start < guarded.start || end > guarded.end)
			return;
		if (!part_in(&regions[i], &start, &end))
			continue;
		for (; start < end; start++)
			if (*(unsigned char *)start == guarded.before[start - guarded.start])
				guarded.after[start - guarded.start] = *(unsigned char *)start;
	}
}

const unsigned char *unexpected(void)
{
	unsigned int i;

	for (i = 0; i < NR_REGIONS; i++) {
		uintptr_t start = guarded.start, end = guarded.end;
		const unsigned char *after;

		if (!part_in(&regions[i], &start, &end))
			continue;
		after = guarded.after + (start - guarded.start);
		if (!memcmp((void *)start, after, end - start))
			continue;
		for (; *(unsigned char *)start == *after; start++)
			after++;
		return (unsigned char *)start;
	}
	return NULL;
}
