/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions: accesses prepared once and run many times.
 */
#ifndef MSR_SESSION_H
#define MSR_SESSION_H

#include <linux/compiler.h>

struct cred;

long msr_session_prepare(void __user *arg, unsigned long opened, const struct cred *opener,
			 bool may_sample);

#endif /* MSR_SESSION_H */
