/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers that users can take over the kernel through, if a list makes them writable.
 */
#ifndef MSR_TAKEOVER_H
#define MSR_TAKEOVER_H

#include <linux/types.h>

/**
 * struct msr_takeover - registers at consecutive addresses
 * @first:	address of the first
 * @last:	address of the last
 * @bits:	the bits that must not be writable
 * @name:	what they are called
 */
struct msr_takeover {
	u32 first;
	u32 last;
	u64 bits;
	const char *name;
};

extern const struct msr_takeover msr_takeover[];
extern const unsigned int msr_takeover_count;

#endif /* MSR_TAKEOVER_H */
