/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one door to registers: check against the allowlist, execute, or say why not.
 */
#ifndef MSR_ACCESS_H
#define MSR_ACCESS_H

#include <linux/sched.h>
#include <linux/types.h>

struct msr_batch_op;
struct msr_extension;
struct msr_program;

/**
 * struct msr_poll - a wait for a register to change
 * @from:	the value to differ from
 * @mask:	the bits to compare
 * @from_now:	@from is what the first read returns
 * @limit_us:	the longest wait
 * @probes:	out: how often the register was read
 */
struct msr_poll {
	u64 from;
	u64 mask;
	bool from_now;
	u32 limit_us;
	u32 probes;
};

/* From msr_access(): not every operation succeeded */
#define MSR_HAS_ERRORS 1

/* After this many operations other tasks get a chance to run. */
#define MSR_CHUNK_OPS 4096

/** msr_give_way() - let other tasks run in a long loop. @i: the number of the turn. */
static inline void msr_give_way(u32 i)
{
	if (i % MSR_CHUNK_OPS == MSR_CHUNK_OPS - 1)
		cond_resched();
}

/* Batches up to this size need no memory but the stack. */
#define MSR_SMALL_BATCH 16

int msr_access_opened(void **remembered);
int msr_access(struct msr_batch_op *ops, u32 count, unsigned long opened);
int msr_access_extended(struct msr_batch_op *ops, struct msr_extension *ext, u32 count,
			struct msr_poll *poll, unsigned long opened);
long msr_access_single(const struct msr_program *program, const bool *cut);
long msr_access_program(struct msr_program *program, const bool *cut, unsigned long opened);

#endif /* MSR_ACCESS_H */
