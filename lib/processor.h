/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which processor it is, as CPUID says, and its time stamp counter.
 */
#ifndef LIB_PROCESSOR_H
#define LIB_PROCESSOR_H

#include <stdint.h>

struct processor_id {
	const char *maker; /* "intel", "amd", "hygon" or "": families are the makers' own */
	unsigned int family, model; /* with the extended ones */
};

/* The processor with this signature (CPUID 01h EAX) */
struct processor_id msr_safe_processor_of(const char *maker, unsigned int signature);

/* This one. Its family is 0 if it has no signature. */
struct processor_id msr_safe_processor_here(void);

uint64_t msr_safe_processor_tsc(void);

#endif /* LIB_PROCESSOR_H */
