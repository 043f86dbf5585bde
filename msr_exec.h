/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place that executes RDMSR and WRMSR, on the CPU they are for.
 */
#ifndef MSR_EXEC_H
#define MSR_EXEC_H

#include <linux/errno.h>
#include <linux/types.h>

struct msr_batch_op;

/*
 * What an operation that may be executed has as its error until it has been:
 * only the CPU that it is for sets another, so one that was never there leaves
 * the truth behind.
 */
#define MSR_NOT_RUN (-ENXIO)

/* Batches up to this size need no memory but the stack. */
#define MSR_SMALL_BATCH 16

/* After so many operations, what else there is to do gets its chance. */
#define MSR_CHUNK_OPS 4096

/* From msr_exec(): not every operation succeeded */
#define MSR_HAS_ERRORS 1

void *msr_exec_alloc(const struct msr_batch_op *ops, u32 count);
int msr_exec(struct msr_batch_op *ops, u32 count, void *mem);

int msr_exec_init(void);
void msr_exec_uninit(void);

#endif /* MSR_EXEC_H */
