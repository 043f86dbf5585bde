/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy: which registers may be read, and which bits of them written.
 */
#ifndef MSR_ALLOWLIST_H
#define MSR_ALLOWLIST_H

#include <linux/srcu.h>
#include <linux/types.h>

struct msr_batch_op;

extern struct srcu_struct msr_allowlist_srcu;

/**
 * msr_allowlist_enter() - begin to judge and to execute
 *
 * The list that msr_allowlist_judge() judges by stays in force until
 * msr_allowlist_exit(), for which a writer of a new list waits.
 *
 * Context: any; the caller may sleep until the exit.
 * Return: what msr_allowlist_exit() is to be given.
 */
static inline int msr_allowlist_enter(void)
	__acquires(&msr_allowlist_srcu)
{
	return srcu_read_lock(&msr_allowlist_srcu);
}

/**
 * msr_allowlist_exit() - nothing judged since the enter is executed any more
 * @ticket:	what msr_allowlist_enter() returned
 *
 * Context: any.
 */
static inline void msr_allowlist_exit(int ticket)
	__releases(&msr_allowlist_srcu)
{
	srcu_read_unlock(&msr_allowlist_srcu, ticket);
}

bool msr_allowlist_judge(struct msr_batch_op *ops, u32 count);

int msr_allowlist_init(void);
void msr_allowlist_uninit(void);

#endif /* MSR_ALLOWLIST_H */
