// SPDX-License-Identifier: GPL-2.0-only

#include <cpuid.h>
#include <string.h>
#include <x86intrin.h>

#include "processor.h"

static const char *maker_here(void)
{
	unsigned int eax, text[4] = { 0 };

	if (!__get_cpuid(0, &eax, &text[0], &text[2], &text[1]))
		return "";
	if (memcmp(text, "GenuineIntel", 12) == 0)
		return "intel";
	if (memcmp(text, "AuthenticAMD", 12) == 0)
		return "amd";
	if (memcmp(text, "HygonGenuine", 12) == 0)
		return "hygon";
	return "";
}

struct processor_id msr_safe_processor_of(const char *maker, unsigned int signature)
{
	struct processor_id id = {
		.maker = maker,
		.family = signature >> 8 & 0xf,
		.model = signature >> 4 & 0xf,
	};

	/* SDM volume 2, CPUID: the extended model is of families 6 and 15. */
	if (id.family == 6 || id.family == 15)
		id.model += signature >> 12 & 0xf0;
	if (id.family == 15)
		id.family += signature >> 20 & 0xff;
	return id;
}

struct processor_id msr_safe_processor_here(void)
{
	unsigned int eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
		return (struct processor_id){ .maker = "" };
	return msr_safe_processor_of(maker_here(), eax);
}

uint64_t msr_safe_processor_tsc(void)
{
	return __rdtsc();
}
