/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy: which list is in force, and for whom.
 */
#ifndef MSR_ALLOWLIST_H
#define MSR_ALLOWLIST_H

struct msr_table;

unsigned long msr_allowlist_generation(void);
const struct msr_table *msr_allowlist_enter(unsigned long opened, int *srcu_idx);
const struct msr_table *msr_allowlist_here(unsigned long opened);
void msr_allowlist_exit(int srcu_idx);

int msr_allowlist_init(void);
void msr_allowlist_uninit(void);

#endif /* MSR_ALLOWLIST_H */
