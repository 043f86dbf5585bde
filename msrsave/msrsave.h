/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of msrsave share.
 */
#ifndef MSRSAVE_H
#define MSRSAVE_H

#include <stdbool.h>

#include "../lib/cpus.h"
#include "../lib/devices.h"
#include "../lib/version.h"

/* How msrsave ends */
enum {
	ALL_DONE = 0,
	SOME_FAILED = 1, /* some registers could not be saved or restored */
	USAGE = 2,
	NOTHING_DONE = 3,
};

struct options {
	const char *file;
	bool restore;
	bool dry_run;
	bool force;
	bool quiet;
	bool verbose;
	bool some_cpus; /* those of @cpus alone */
	struct cpus cpus;
};

/*
 * Reads the command line. Returns -1, or what to exit with: after --help and
 * --version, or if the line is wrong, which it has said.
 */
int options_parse(struct options *options, int argc, char *argv[]);

/* The machine, as the module lets it be seen */
struct node {
	int batch; /* descriptor of the batch device */
	struct allowlist list; /* in force */
	struct cpus online;
};

/* Returns 0, or -1, and has said why. */
int node_open(struct node *node);
void node_close(struct node *node);

/* The name of this host, printable; @name has 65 bytes. */
void node_name(char *name);

int save(const struct options *options);
int restore(const struct options *options);

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
	struct cpus cpus;
};

void report(struct report *report, uint32_t msr, unsigned int cpu, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void report_end(struct report *report);

/* A line about CPUs, if there are any: "CPUs 3-5: not on line: not saved" */
void warn_of_cpus(const struct cpus *cpus, const char *text);

#endif /* MSRSAVE_H */
