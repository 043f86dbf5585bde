/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers that are to hold given values: read, written, read back, told about.
 */
#ifndef MSRSAVE_TARGETS_H
#define MSRSAVE_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "msrsave.h"

/* A register of a CPU that is to be restored */
struct target {
	uint32_t msr;
	uint16_t cpu;
	enum kind kind;
	bool watched; /* still differed after the last write */
	bool moved; /* changed between two readings after the last write */
	bool fell; /* and not upwards */
	int err; /* 0, or why it cannot be accessed: left alone from then on */
	uint64_t mask; /* bits to restore */
	uint64_t in_force; /* bits that the list in force makes writable, as last read */
	uint64_t want;
	uint64_t now; /* as last read */
};

/* Those of a register follow each other. */
struct targets {
	struct target *all;
	size_t count;
	struct msr_batch_op *ops; /* room for as many */
};

#define for_each_target(t, targets) \
	for ((t) = (targets)->all; (t) < (targets)->all + (targets)->count; (t)++)

/* Room for so many, of which there are none yet. Returns 0, or -1 with errno set. */
int targets_alloc(struct targets *targets, size_t most);
void targets_free(struct targets *targets);

/*
 * Read all; write what differs, and read all back. Return 0; or -1, and have said
 * that, and why, the batch device failed.
 */
int targets_read(struct targets *targets, int batch);
int targets_write(struct targets *targets, int batch);

/* Print what is, or would be, written; what was written and is a counter that runs on. */
void targets_print_changes(const struct targets *targets);
void targets_print_counters(const struct targets *targets);

/* Warn of what does not hold since the kernel writes it as well: no failure. */
void targets_report_contended(const struct targets *targets);

/* Tell what could not be accessed, or did not take. Return whether there was any. */
bool targets_report_errors(const struct targets *targets);
bool targets_report_untaken(const struct targets *targets);

#endif /* MSRSAVE_TARGETS_H */
