/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The devices through which the administrator sets the policy.
 */
#ifndef MSR_ALLOWLIST_H
#define MSR_ALLOWLIST_H

int msr_allowlist_init(void);
void msr_allowlist_uninit(void);

#endif /* MSR_ALLOWLIST_H */
