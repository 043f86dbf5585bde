// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended operations, executed once: a mask for each write, time stamps, and a wait for a
 * register to change before them.
 *
 * The structures carry their sizes, so that a later module can add members. A caller that
 * knows more members than this module is served if it leaves them 0.
 */

#include <linux/build_bug.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/uaccess.h>

#include "msr_access.h"
#include "msr_compat.h"
#include "msr_exec.h"
#include "msr_mem.h"
#include "msr_ops.h"
#include "msr_safe.h"

static_assert(sizeof(struct msr_op) == 64);
static_assert(sizeof(struct msr_ops) == 40);

#define OP_FLAGS (MSR_OP_WRITE | MSR_OP_TSC)
#define POLL_FLAGS (MSR_OP_POLL | MSR_OP_FROM_NOW)

static int check_size(u32 size, size_t known)
{
	if (size < known)
		return -EINVAL;
	return size > PAGE_SIZE ? -E2BIG : 0;
}

/**
 * msr_ops_copy_struct() - copy a structure that begins with its size
 * @to:		set
 * @known:	the size that this module knows
 * @from:	the caller's
 *
 * Context: may sleep. Return: 0, -EFAULT, -EINVAL or -E2BIG.
 */
int msr_ops_copy_struct(void *to, size_t known, const void __user *from)
{
	u32 size;
	int err;

	if (get_user(size, (const u32 __user *)from))
		return -EFAULT;
	err = check_size(size, known);
	return err ?: copy_struct_from_user(to, known, from, size);
}

/**
 * msr_ops_copy_head() - copy the argument of %MSR_IOC_OPS or %MSR_IOC_PREPARE
 * @head:	set
 * @arg:	the caller's
 *
 * Context: may sleep. Return: 0, or a negative errno if a size or the count is wrong.
 */
int msr_ops_copy_head(struct msr_ops *head, const void __user *arg)
{
	int err;

	err = msr_ops_copy_struct(head, sizeof(*head), arg);
	if (err)
		return err;
	err = check_size(head->op_size, sizeof(struct msr_op));
	if (err)
		return err;
	if (!head->count)
		return -EINVAL;
	return head->count > MSR_BATCH_MAX_OPS ? -E2BIG : 0;
}

/** msr_ops_user() - where the caller has an operation. @array: of them. @i: its number. */
struct msr_op __user *msr_ops_user(const struct msr_ops_array *array, u32 i)
{
	return (struct msr_op __user *)(array->uops + (size_t)i * array->op_size);
}

/* Return: 0, or -EINVAL for members that a read or a write must not have. */
static int check_members(const struct msr_op *op)
{
	if (op->flags & MSR_OP_POLL)
		return op->flags & MSR_OP_WRITE || op->limit_us > MSR_POLL_MAX_US ? -EINVAL : 0;
	if (op->flags & MSR_OP_FROM_NOW || op->limit_us)
		return -EINVAL;
	return op->mask && !(op->flags & MSR_OP_WRITE) ? -EINVAL : 0;
}

static int copy_in_one(struct msr_ops_array *array, u32 i, u32 flags)
{
	struct msr_op op;
	int err;

	err = copy_struct_from_user(&op, sizeof(op), msr_ops_user(array, i), array->op_size);
	if (err)
		return err;
	if (op.flags & ~flags)
		return -EINVAL;
	err = check_members(&op);
	if (err)
		return err;

	array->ops[i] = (struct msr_batch_op){
		.cpu = min_t(u32, op.cpu, U16_MAX), /* there is no such CPU */
		.isrdmsr = !(op.flags & MSR_OP_WRITE),
		.msr = op.msr,
		.msrdata = op.data,
	};
	array->ext[i] = (struct msr_extension){
		.mask = op.mask ?: U64_MAX,
		.stamp = op.flags & MSR_OP_TSC,
	};
	if (op.flags & MSR_OP_POLL) {
		array->polls = true;
		array->poll = (struct msr_poll){
			.from = op.data,
			.mask = op.mask ?: U64_MAX,
			.from_now = op.flags & MSR_OP_FROM_NOW,
			.limit_us = op.limit_us,
		};
	}
	return 0;
}

static int copy_out_one(const struct msr_batch_op *op, const struct msr_extension *ext,
			struct msr_op __user *uop)
{
	if (!user_write_access_begin(uop, sizeof(*uop)))
		return -EFAULT;
	unsafe_put_user(op->err, &uop->err, fault);
	unsafe_put_user(op->msrdata, &uop->data, fault);
	unsafe_put_user(op->wmask, &uop->wmask, fault);
	if (ext->stamp) {
		unsafe_put_user(ext->tsc_before, &uop->tsc_before, fault);
		unsafe_put_user(ext->tsc_after, &uop->tsc_after, fault);
	}
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

/**
 * msr_ops_copy_in() - copy the operations
 * @array:	where from and where to
 * @flags:	flags that they may have, those of polling only the first
 *
 * Context: may sleep. Return: 0, -EFAULT, -EINVAL or -E2BIG.
 */
int msr_ops_copy_in(struct msr_ops_array *array, u32 flags)
{
	int err;
	u32 i;

	for (i = 0; i < array->count; i++) {
		msr_give_way(i);
		err = copy_in_one(array, i, i ? flags & ~POLL_FLAGS : flags);
		if (err)
			return err;
	}
	return 0;
}

/* Return: the number of operations that failed, or a negative errno. */
static long run_ops(struct msr_ops_array *run, unsigned long opened)
{
	long failed = 0;
	int err;
	u32 i;

	err = msr_ops_copy_in(run, OP_FLAGS | POLL_FLAGS);
	if (err)
		return err;
	if (run->polls && !run->may_poll)
		return -EPERM;
	err = msr_access_extended(run->ops, run->ext, run->count, run->polls ? &run->poll : NULL,
				  opened);
	if (err < 0 && err != -EINTR)
		return err; /* nothing has been executed */

	for (i = 0; i < run->count; i++) {
		msr_give_way(i);
		if (copy_out_one(&run->ops[i], &run->ext[i], msr_ops_user(run, i)))
			return -EFAULT;
		failed += run->ops[i].err != 0;
	}
	if (run->polls && put_user(run->poll.probes, &msr_ops_user(run, 0)->probes))
		return -EFAULT;
	return err == -EINTR ? err : failed;
}

static noinline long run_small(struct msr_ops_array *run, unsigned long opened)
{
	struct msr_extension ext[MSR_SMALL_BATCH] __uninitialized;
	struct msr_batch_op ops[MSR_SMALL_BATCH] __uninitialized;

	run->ops = ops;
	run->ext = ext;
	return run_ops(run, opened);
}

static noinline long run_large(struct msr_ops_array *run, unsigned long opened)
{
	struct msr_mem mem;
	long result;

	if (msr_mem_alloc(&mem, run->count * (sizeof(*run->ops) + sizeof(*run->ext))))
		return -ENOMEM;
	run->ops = mem.addr;
	run->ext = (struct msr_extension *)(run->ops + run->count);
	result = run_ops(run, opened);
	msr_mem_free(&mem);
	return result;
}

/**
 * msr_ops_ioctl() - serve %MSR_IOC_OPS
 * @arg:	a struct msr_ops of the caller's
 * @opened:	what msr_access_opened() set when the caller's file was opened
 * @may_poll:	whether the caller may wait for a register to change
 *
 * Context: may sleep. Return: what ioctl(2) returns; see msr_safe.h.
 */
long msr_ops_ioctl(void __user *arg, unsigned long opened, bool may_poll)
{
	struct msr_ops head;
	struct msr_ops_array run;
	int err;

	err = msr_ops_copy_head(&head, arg);
	if (err)
		return err;
	if (head.flags || head.slots || head.wake || head.map_len)
		return -EINVAL;
	run = (struct msr_ops_array){
		.uops = u64_to_user_ptr(head.ops),
		.op_size = head.op_size,
		.count = head.count,
		.may_poll = may_poll,
	};
	return run.count <= MSR_SMALL_BATCH ? run_small(&run, opened) : run_large(&run, opened);
}
