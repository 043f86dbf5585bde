/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of msrsave share.
 */
#ifndef MSRSAVE_H
#define MSRSAVE_H

#include <stdbool.h>

#include "../lib/libmsrsafe.h"
#include "../tools/common/say.h"
#include "../lib/version.h"
#include "kinds.h"

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
	bool saved_cpus; /* those of the file */
	bool all; /* registers that only log, too */
	bool quiet;
	bool verbose;
	bool some_cpus; /* those of @cpus alone */
	struct msr_safe_cpus cpus;
};

/*
 * Reads the command line. Returns 1 to go on; 0 when --help or --version is all that it
 * asks for; or -EINVAL after printing what is wrong with it.
 */
int parse_argv(struct options *options, int argc, char *argv[]);

/* The machine, as the module lets it be seen */
struct node {
	int batch; /* descriptor of the batch device */
	struct msr_safe_allowlist list; /* in force */
	struct msr_safe_cpus online;
};

/* Returns 0, or -1 after printing why. */
int node_open(struct node *node);
void node_close(struct node *node);

/* The name of this host, printable; @name has 65 bytes. */
void node_name(char *name);

/* Whether a cpufreq driver sets the frequency of a CPU */
bool cpufreq_active(unsigned int cpu);

/* Whether the value of a register, if it can be written, is one to save and restore */
bool is_saved(const struct options *options, uint32_t msr);

int save(const struct options *options);
int restore(const struct options *options);

#endif /* MSRSAVE_H */
