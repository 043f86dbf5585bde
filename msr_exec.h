/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place that executes RDMSR and WRMSR, on the CPU they are for.
 */
#ifndef MSR_EXEC_H
#define MSR_EXEC_H

#include <linux/errno.h>
#include <linux/types.h>

#include "msr_mem.h"

struct msr_batch_op;

/*
 * The error of an operation that may be executed, until it has been executed. Only
 * the CPU that it is for sets another, so an operation for a CPU that is offline
 * keeps the true error.
 */
#define MSR_NOT_RUN (-ENXIO)

struct msr_queue;

/**
 * struct msr_extension - what an extended operation has beside a &struct msr_batch_op
 * @mask:	for a write, the bits to change, as far as the allowlist lets them be
 *		written; the others keep the value that they have in the register
 * @stamp:	whether to take the time stamps
 * @tsc_before:	out: time stamp counter of the CPU just before the instruction
 * @tsc_after:	out: the same just after it
 */
struct msr_extension {
	u64 mask;
	bool stamp;
	u64 tsc_before;
	u64 tsc_after;
};

/**
 * struct msr_exec_mem - memory that executing a batch takes
 * @mem:	the allocation
 * @queues:	the queues of the CPUs; NULL if all operations are for one CPU
 * @next:	for each operation, the next one for its CPU
 */
struct msr_exec_mem {
	struct msr_mem mem;
	struct msr_queue *queues;
	u32 *next;
};

int msr_exec_prepare(struct msr_exec_mem *mem, const struct msr_batch_op *ops, u32 count,
		     bool extended);
void msr_exec_release(struct msr_exec_mem *mem);
int msr_exec(struct msr_batch_op *ops, struct msr_extension *ext, u32 count, const bool *cut,
	     const struct msr_exec_mem *mem);
void msr_exec_here(struct msr_batch_op *op);
void msr_exec_barrier(void);

int msr_exec_init(void);
void msr_exec_uninit(void);

#endif /* MSR_EXEC_H */
