/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How msrsave prints lines about registers and CPUs.
 */
#ifndef MSRSAVE_REPORT_H
#define MSRSAVE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../lib/libmsrsafe.h"

/*
 * Lines about registers: those that follow each other and say the same of the same
 * register are one, with all their CPUs. Ended by report_end().
 */
struct report {
	FILE *stream;
	const char *prefix;
	bool silent;
	size_t lines; /* told so far, also of a silent one */
	char text[160];
	uint32_t msr;
	struct msr_safe_cpus cpus;
};

void report(struct report *report, uint32_t msr, unsigned int cpu, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void report_end(struct report *report);

/* A line about CPUs, if there are any: "CPUs 3-5: not online: not saved" */
void warn_of_cpus(const struct msr_safe_cpus *cpus, const char *text);

#endif /* MSRSAVE_REPORT_H */
