/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extended operations, executed once.
 */
#ifndef MSR_OPS_H
#define MSR_OPS_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "msr_access.h"

struct msr_batch_op;
struct msr_extension;
struct msr_op;
struct msr_ops;

/**
 * struct msr_ops_array - operations on their way in and out
 * @ops:	where they are copied to
 * @ext:	what they have beside
 * @uops:	where the caller has them
 * @op_size:	the distance between them there
 * @count:	how many
 * @polls:	whether the first is a wait for its register to change
 * @may_poll:	whether it may be
 * @poll:	how to wait
 */
struct msr_ops_array {
	struct msr_batch_op *ops;
	struct msr_extension *ext;
	char __user *uops;
	u32 op_size;
	u32 count;
	bool polls;
	bool may_poll;
	struct msr_poll poll;
};

int msr_ops_copy_head(struct msr_ops *head, const void __user *arg);
int msr_ops_copy_in(struct msr_ops_array *array, u32 flags);
struct msr_op __user *msr_ops_user(const struct msr_ops_array *array, u32 i);
int msr_ops_copy_struct(void *to, size_t known, const void __user *from);
long msr_ops_ioctl(void __user *arg, unsigned long opened, bool may_poll);

#endif /* MSR_OPS_H */
