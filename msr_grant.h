/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Grants: accesses that were checked once, and can be made until a list takes them away.
 */
#ifndef MSR_GRANT_H
#define MSR_GRANT_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>

struct msr_program_op;
struct msr_table;

/* The most grants of all users together, and how many of these only root can have */
#define MSR_GRANTS_MAX 128
#define MSR_GRANTS_OF_ROOT 8

/**
 * struct msr_grant - accesses that were checked once
 * @owner:	the user whom it counts for
 * @of_root:	whether it can be one of those for root
 * @bytes:	the memory that counts
 * @nr:		set by msr_grant_count(): its number, under which it is counted
 * @ops:	the accesses; the grant has joined, so they do not change
 * @count:	number of @ops
 * @list:	number of the list that they are checked against
 * @generation:	the lists that were in force when they were checked
 * @state:	set to @revoked when a list no longer allows all of them
 * @revoked:	what to set it to
 * @cut:	set with it. Nothing of the grant is executed once it is set and
 *		msr_visit_barrier() has returned.
 * @joined:	the writer of a list has to look at it
 * @busy:	it is doing that
 */
struct msr_grant {
	kuid_t owner;
	bool of_root;
	u64 bytes;
	u32 nr;
	const struct msr_program_op *ops;
	u32 count;
	unsigned int list;
	unsigned long generation;
	u32 *state;
	u32 revoked;
	bool cut;
	bool joined;
	bool busy;
};

/* Protects the grants that are counted, and their @joined and @busy. */
extern raw_spinlock_t msr_grants_lock;

int msr_grant_count(struct msr_grant *grant, unsigned int max, u64 max_bytes);
void msr_grant_leave(struct msr_grant *grant);
void msr_grant_uncount(struct msr_grant *grant);
void msr_grants_cut(struct msr_table *const *tables, unsigned long older_than);

#endif /* MSR_GRANT_H */
