/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy: which lists are in force, and for whom.
 */
#ifndef MSR_POLICY_H
#define MSR_POLICY_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/types.h>
#include <linux/uidgid.h>

struct msr_program_op;
struct msr_table;

/* The default list, which is number 0, and those of classes */
#define MSR_LISTS_MAX 16
#define MSR_CLASSES_MAX (MSR_LISTS_MAX - 1)

/**
 * struct msr_standing - accesses that have been checked, and stand while lists allow them
 * @node:	among all of them
 * @ref:	who holds it; the last one frees it
 * @free:	frees it; may sleep
 * @ended:	called once @cut is set; may sleep, but must not wait for a user
 * @ops:	the accesses
 * @count:	number of @ops
 * @list:	number of the list that they are judged by
 * @generation:	that of the list they were checked against
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
	unsigned int list;
	unsigned long generation;
	u32 *state;
	u32 revoked;
	bool cut;
};

/* The lowest byte of what msr_policy_opened() returns is the number of the list. */
#define MSR_OPENED_SHIFT 8

static inline unsigned int msr_policy_list_of(unsigned long opened)
{
	return (u8)opened;
}

unsigned long msr_policy_opened(void);
unsigned long msr_policy_generation(unsigned int list);
const struct msr_table *msr_policy_enter(unsigned long opened, int *srcu_idx);
const struct msr_table *msr_policy_here(unsigned long opened);
void msr_policy_exit(int srcu_idx);

bool msr_policy_join(struct msr_standing *standing);
void msr_policy_leave(struct msr_standing *standing);

struct msr_change;
struct msr_change *msr_change_alloc(void);
void msr_change_free(struct msr_change *change);
int msr_policy_replace(struct msr_change *change, unsigned int list, struct msr_table *table,
		       unsigned int *beyond);
int msr_policy_clear(struct msr_change *change, unsigned int list);
struct msr_table *msr_policy_get(unsigned int list);
unsigned int msr_policy_classes(void);
unsigned int msr_policy_gid(unsigned int list);

int msr_policy_init(void);
void msr_policy_uninit(void);

#endif /* MSR_POLICY_H */
