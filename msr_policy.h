/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy: which lists are in force, and for whom.
 */
#ifndef MSR_POLICY_H
#define MSR_POLICY_H

#include <linux/types.h>

struct msr_grant;
struct msr_table;

/* The default list, which is number 0, and those of classes */
#define MSR_LISTS_MAX 16
#define MSR_CLASSES_MAX (MSR_LISTS_MAX - 1)

/*
 * What a device remembers of the moment a file was opened: the number of the list in the lowest
 * bits, whether the opener was privileged, and above that which lists were in force.
 */
#define MSR_OPENED_PRIVILEGED 0x80
#define MSR_OPENED_SHIFT 8

static inline unsigned int msr_policy_list_of(unsigned long opened)
{
	return opened & (MSR_LISTS_MAX - 1);
}

static inline bool msr_policy_is_privileged(unsigned long opened)
{
	return opened & MSR_OPENED_PRIVILEGED;
}

int msr_policy_opened(unsigned long *opened);
unsigned long msr_policy_generation(void);
const struct msr_table *msr_policy_enter(unsigned long opened, int *srcu_idx, const bool **cut);
const struct msr_table *msr_policy_here(unsigned long opened);
void msr_policy_exit(int srcu_idx);

bool msr_policy_join(struct msr_grant *grant);

struct msr_lists;
struct msr_lists *msr_lists_alloc(void);
void msr_lists_free(struct msr_lists *freed);
int msr_policy_replace(struct msr_lists *next, unsigned int list, struct msr_table *table,
		       unsigned int *beyond);
int msr_policy_clear(struct msr_lists *next, unsigned int list);
struct msr_table *msr_policy_get(unsigned int list);
unsigned int msr_policy_classes(void);
unsigned int msr_policy_gid(unsigned int list);

int msr_policy_init(void);
void msr_policy_uninit(void);

#endif /* MSR_POLICY_H */
