/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operations, executed on the CPU they are for.
 */
#ifndef MSR_EXEC_H
#define MSR_EXEC_H

#include <linux/errno.h>
#include <linux/types.h>
#include <asm/msr.h>

#include "msr_compat.h"
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
 * @mask:	for a write, the bits to change, if the allowlist makes them writable; the others
 *		keep the value that they have in the register
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

/**
 * msr_exec_merge() - the value that a write with a mask writes
 * @msr:	address of the register
 * @mask:	bits to write
 * @value:	others get the value that they have in the register
 *
 * Context: interrupts off, and until the write. No task and no interrupt on this CPU runs
 * between the read and the write. An NMI or an SMI can, and so can another CPU, if the CPUs
 * share the register.
 *
 * Return: 0 or -EIO.
 */
static __always_inline int msr_exec_merge(u32 msr, u64 mask, u64 *value)
{
	u64 old;
	int err;

	if (mask == U64_MAX)
		return 0;
	err = rdmsrq_safe(msr, &old);
	*value = (old & ~mask) | (*value & mask);
	return err;
}

int msr_exec_prepare(struct msr_exec_mem *mem, const struct msr_batch_op *ops, u32 count,
		     bool extended);
void msr_exec_release(struct msr_exec_mem *mem);
int msr_exec(struct msr_batch_op *ops, struct msr_extension *ext, u32 count, const bool *cut,
	     const struct msr_exec_mem *mem, bool privileged);
void msr_exec_here(struct msr_batch_op *op);
void msr_exec_here_extended(struct msr_batch_op *op, struct msr_extension *ext);

#endif /* MSR_EXEC_H */
