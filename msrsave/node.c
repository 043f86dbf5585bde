// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine that msrsave runs on, and how it speaks of its registers and CPUs.
 */

#include <err.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "msrsave.h"

/*
 * The batch device comes first: with revoke_on_change=1 it then does not serve a list
 * that is newer than the one read here.
 */
int node_open(struct node *node)
{
	node->batch = batch_open();
	if (node->batch < 0) {
		warn("%s", BATCH_PATH);
		return -1;
	}
	if (allowlist_read(&node->list)) {
		warn("%s", ALLOWLIST_PATH);
		close(node->batch);
		return -1;
	}
	if (cpus_online(&node->online)) {
		warn("the CPUs on line");
		node_close(node);
		return -1;
	}
	return 0;
}

void node_close(struct node *node)
{
	allowlist_free(&node->list);
	close(node->batch);
}

void node_name(char *name)
{
	if (gethostname(name, 64) || *name == '\0')
		strcpy(name, "(none)");
	name[64] = '\0';
	/* The file has it, and has printable characters alone. */
	for (; *name; name++)
		if (*name < ' ' || *name > '~')
			*name = '?';
}

static void print_cpus(FILE *stream, const struct cpus *cpus)
{
	fputs(cpus_count(cpus) == 1 ? "CPU " : "CPUs ", stream);
	cpus_print(stream, cpus);
}

void report_end(struct report *report)
{
	if (cpus_empty(&report->cpus))
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
	cpus_add(&report->cpus, cpu);
}

void warn_of_cpus(const struct cpus *cpus, const char *text)
{
	if (cpus_empty(cpus))
		return;
	fprintf(stderr, "msrsave: ");
	print_cpus(stderr, cpus);
	fprintf(stderr, ": %s\n", text);
}
