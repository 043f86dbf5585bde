/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy: which list is in force, and for whom.
 */
#ifndef MSR_ALLOWLIST_H
#define MSR_ALLOWLIST_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/types.h>

struct msr_program_op;
struct msr_table;

/**
 * struct msr_standing - accesses that have been checked, and stand while lists allow them
 * @node:	among all of them
 * @ref:	who holds it; the last one frees it
 * @free:	frees it; may sleep
 * @ended:	called once @cut is set; may sleep, but must not wait for a user
 * @ops:	the accesses
 * @count:	number of @ops
 * @state:	set to @revoked when a list no longer allows all of them
 * @revoked:	what to set it to
 * @cut:	set at the same time
 */
struct msr_standing {
	struct list_head node;
	struct kref ref;
	void (*free)(struct msr_standing *standing);
	void (*ended)(struct msr_standing *standing);
	const struct msr_program_op *ops;
	u32 count;
	u32 *state;
	u32 revoked;
	bool cut;
};

unsigned long msr_allowlist_generation(void);
const struct msr_table *msr_allowlist_enter(unsigned long opened, int *srcu_idx);
const struct msr_table *msr_allowlist_here(unsigned long opened);
void msr_allowlist_exit(int srcu_idx);

bool msr_allowlist_join(struct msr_standing *standing, unsigned long generation);
void msr_allowlist_leave(struct msr_standing *standing);

int msr_allowlist_init(void);
void msr_allowlist_uninit(void);

#endif /* MSR_ALLOWLIST_H */
