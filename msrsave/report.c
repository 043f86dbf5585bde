// SPDX-License-Identifier: GPL-2.0-only

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "report.h"

static void print_cpus(FILE *stream, const struct msr_safe_cpus *cpus)
{
	fputs(msr_safe_cpus_count(cpus) == 1 ? "CPU " : "CPUs ", stream);
	msr_safe_cpus_print(stream, cpus);
}

void report_end(struct report *report)
{
	if (msr_safe_cpus_empty(&report->cpus))
		return;
	report->lines++;
	if (!report->silent) {
		fprintf(report->stream, "%s0x%08" PRIX32 ", ", report->prefix, report->msr);
		print_cpus(report->stream, &report->cpus);
		fprintf(report->stream, ": %s\n", report->text);
	}
	memset(&report->cpus, 0, sizeof(report->cpus));
}

void report(struct report *report, uint32_t msr, unsigned int cpu, const char *format, ...)
{
	char text[sizeof(report->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (msr != report->msr || strcmp(text, report->text) != 0) {
		report_end(report);
		report->msr = msr;
		strcpy(report->text, text);
	}
	msr_safe_cpus_add(&report->cpus, cpu);
}

void warn_of_cpus(const struct msr_safe_cpus *cpus, const char *text)
{
	if (msr_safe_cpus_empty(cpus))
		return;
	fprintf(stderr, "msrsave: ");
	print_cpus(stderr, cpus);
	fprintf(stderr, ": %s\n", text);
}
