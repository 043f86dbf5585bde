/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory to hand to system calls: pages that can be written, read only, or not
 * at all, side by side; and what a call has changed in it.
 */
#ifndef FUZZ_MEMORY_H
#define FUZZ_MEMORY_H

#include "fuzz_devices.h"

/* Always at the same addresses, so that a run can be repeated. */
bool memory_init(void);

/* How many bytes from p on, up to len, can be accessed in this way */
size_t reach(const void *p, size_t len, int prot);

static inline bool can(const void *p, size_t len, int prot)
{
	return reach(p, len, prot) == len;
}

/*
 * A pointer to pass with this length: mostly a good one, else one that is partly
 * or not at all to be used. Two kinds of memory, never the same bytes of it.
 */
enum memory { SMALL, LARGE };

void *random_place(struct rng *rng, enum memory memory, size_t len);

/* Fills memory as far as it is there, read-only pages, too. */
void put_bytes(void *p, const void *bytes, size_t len);

/* Remembers memory and what is around it, and expects it to stay as it is. */
void guard(const void *p, size_t len);

/* Where to say what the memory guarded is expected to hold after the call */
void *expected(const void *p);

/* These bytes are as expected or as they were before. */
void expect_old_or_new(const void *p, size_t len);

/* The first byte that is not as expected, or NULL */
const unsigned char *unexpected(void);

#endif /* FUZZ_MEMORY_H */
