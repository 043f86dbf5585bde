/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instead of the compiler's <cpuid.h>: the processor of a test.
 */
#ifndef TEST_CPUID_H
#define TEST_CPUID_H

void fake_cpuid(unsigned int leaf, unsigned int *eax, unsigned int *ebx, unsigned int *ecx,
		unsigned int *edx);

#define __cpuid(leaf, eax, ebx, ecx, edx) fake_cpuid(leaf, &(eax), &(ebx), &(ecx), &(edx))

#endif /* TEST_CPUID_H */
