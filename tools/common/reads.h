/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads of many registers of many CPUs, in one batch.
 */
#ifndef COMMON_READS_H
#define COMMON_READS_H

#include "../../lib/libmsrsafe.h"

struct reads {
	struct msr_batch_op *ops;
	size_t count;
};

/* Adds a read. Returns its place. Exits with 1 if there is no memory. */
size_t reads_add(struct reads *reads, unsigned int cpu, uint32_t msr);

/*
 * Carries out the reads, by the batch device @fd. Returns 0, and each says in err what became of
 * it; or a negative errno after printing why they failed.
 */
int reads_run(struct reads *reads, int fd);

/* Whether a CPU has gone offline: some read says so. */
bool reads_lack_cpu(const struct reads *reads);

void reads_free(struct reads *reads);

#endif /* COMMON_READS_H */
