/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extended operations, executed once.
 */
#ifndef MSR_OPS_H
#define MSR_OPS_H

#include <linux/compiler.h>

long msr_ops_ioctl(void __user *arg, unsigned long opened);

#endif /* MSR_OPS_H */
