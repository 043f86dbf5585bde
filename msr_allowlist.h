/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy: which registers may be read, and which bits of them written.
 */
#ifndef MSR_ALLOWLIST_H
#define MSR_ALLOWLIST_H

#include <linux/jump_label.h>
#include <linux/srcu.h>
#include <linux/types.h>

#include "msr_exec.h"
#include "msr_safe.h"
#include "msr_table.h"

struct file;

/* For the functions below; the locking is explained in msr_allowlist.c. */
extern struct srcu_struct msr_allowlist_srcu;
extern struct msr_table __rcu *msr_allowlist;
DECLARE_STATIC_KEY_FALSE(msr_allowlist_revokes);
bool msr_allowlist_changed_since_open(const struct file *file);

/**
 * msr_allowlist_enter() - begin to judge and to execute
 * @ticket:	for msr_allowlist_exit()
 *
 * A writer of a new list waits for the exit, so nothing between the two may wait
 * for a user: no access to user memory.
 *
 * Context: any; the caller may sleep until the exit.
 * Return: the list in force, to judge by until the exit.
 */
static inline const struct msr_table *msr_allowlist_enter(int *ticket)
	__acquires(&msr_allowlist_srcu)
{
	*ticket = srcu_read_lock(&msr_allowlist_srcu);
	return srcu_dereference(msr_allowlist, &msr_allowlist_srcu);
}

/**
 * msr_allowlist_exit() - nothing judged since the enter is executed any more
 * @ticket:	what msr_allowlist_enter() has set
 *
 * Context: any.
 */
static inline void msr_allowlist_exit(int ticket) __releases(&msr_allowlist_srcu)
{
	srcu_read_unlock(&msr_allowlist_srcu, ticket);
}

/**
 * msr_allowlist_revoked() - is the file refused because of when it was opened?
 * @file:	one that msr_allowlist_opened() was called for
 *
 * Context: after msr_allowlist_enter() and before the exit.
 * Return: whether it was opened before the list in force was written, and the
 * module was loaded to refuse such files; the call is to fail with -ESTALE then.
 */
static inline bool msr_allowlist_revoked(const struct file *file)
{
	return static_branch_unlikely(&msr_allowlist_revokes) &&
	       msr_allowlist_changed_since_open(file);
}

void msr_allowlist_opened(struct file *file);

/**
 * msr_allowlist_judge_one() - judge an operation, but for what only writes need
 * @index:	that of the list
 * @op:		the operation; gets its @wmask and @err as of msr_allowlist_judge()
 *
 * Context: before the msr_allowlist_exit().
 * Return: whether it may be executed, if it is a read; if it is a write
 * msr_allowlist_judge_writes() has the last word.
 */
static __always_inline bool msr_allowlist_judge_one(const struct msr_index *index,
						    struct msr_batch_op *op)
{
	const struct msr_entry *entry = msr_index_find(index, op->msr);

	op->wmask = entry ? entry->wmask : 0;
	op->err = MSR_NOT_RUN;
	if (!entry)
		op->err = -EACCES;
	else if (!op->isrdmsr && !entry->wmask)
		op->err = -EROFS;
	else
		return true;
	return false;
}

bool msr_allowlist_judge_writes(struct msr_batch_op *op, const struct msr_batch_op *end,
				bool allowed);
bool msr_allowlist_judge(const struct msr_table *table, struct msr_batch_op *ops, u32 count);

int msr_allowlist_init(void);
void msr_allowlist_uninit(void);

#endif /* MSR_ALLOWLIST_H */
