/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rdmsr-safe and wrmsr-safe share: the exit statuses and choice of CPUs of msr-tools, and one
 * operation on each of those CPUs.
 */
#ifndef COMMON_MSR_TOOLS_H
#define COMMON_MSR_TOOLS_H

#include "../../lib/libmsrsafe.h"

/* The exit statuses of msr-tools */
enum msr_tools_status {
	TOOL_GOOD = 0,
	TOOL_NO_CPU = 2,
	TOOL_NO_MSRS = 3,
	TOOL_FAULT = 4, /* the processor refuses the access */
	TOOL_ERROR = 127,
};

/* The CPUs of -a and -p; the last of them on a command line counts. */
struct chosen_cpus {
	bool all;
	struct msr_safe_cpus set;
};

/* Reads the argument of -p: a list, or a number in hexadecimal. Returns whether it is one. */
bool choose_cpus(struct chosen_cpus *chosen, const char *text);

/* With -a, reads which CPUs are online. Returns a status. */
int settle_cpus(struct chosen_cpus *chosen);

/*
 * Makes an operation for each CPU, of as many as are chosen; @op says which. Returns the
 * operations, or NULL after printing why there are none.
 */
struct msr_batch_op *make_batch(const struct chosen_cpus *chosen, struct msr_batch_op op,
				size_t *count);

/*
 * Carries out operations: one by the node of its CPU, if the batch device cannot be opened or
 * there is only one. Returns a status, after printing what failed as a whole; each operation says
 * in err what became of it.
 */
int run_operations(struct msr_batch_op *ops, size_t count);

/* Prints why an operation failed. Returns its status. */
int say_op_failed(const struct msr_batch_op *op);

/* Prints that standard output failed, unless its reader has gone. Returns a status. */
int finish_output(void);

#endif /* COMMON_MSR_TOOLS_H */
