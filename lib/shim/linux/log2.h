/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LOG2_H
#define SHIM_LOG2_H

/* Of numbers that are not 0, as in the kernel */
static inline int ilog2(unsigned long n)
{
	return 8 * (int)sizeof(n) - 1 - __builtin_clzl(n);
}

static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	return n == 1 ? 1 : 1UL << (ilog2(n - 1) + 1);
}

#endif /* SHIM_LOG2_H */
