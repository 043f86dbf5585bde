// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended operations, executed once: a mask for each write, and time stamps.
 *
 * The structures carry their sizes, so that a later module can add members. A caller that
 * knows more members than this module is served if it leaves them 0.
 */

#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "msr_access.h"
#include "msr_compat.h"
#include "msr_exec.h"
#include "msr_mem.h"
#include "msr_ops.h"
#include "msr_safe.h"

static_assert(sizeof(struct msr_op) == 64);
static_assert(offsetof(struct msr_op, cpu) == 0);
static_assert(offsetof(struct msr_op, msr) == 4);
static_assert(offsetof(struct msr_op, flags) == 8);
static_assert(offsetof(struct msr_op, err) == 12);
static_assert(offsetof(struct msr_op, data) == 16);
static_assert(offsetof(struct msr_op, mask) == 24);
static_assert(offsetof(struct msr_op, wmask) == 32);
static_assert(offsetof(struct msr_op, tsc_before) == 40);
static_assert(offsetof(struct msr_op, tsc_after) == 48);
static_assert(offsetof(struct msr_op, limit_us) == 56);
static_assert(offsetof(struct msr_op, probes) == 60);
static_assert(sizeof(struct msr_ops) == 40);
static_assert(offsetof(struct msr_ops, size) == 0);
static_assert(offsetof(struct msr_ops, op_size) == 4);
static_assert(offsetof(struct msr_ops, count) == 8);
static_assert(offsetof(struct msr_ops, flags) == 12);
static_assert(offsetof(struct msr_ops, ops) == 16);
static_assert(offsetof(struct msr_ops, slots) == 24);
static_assert(offsetof(struct msr_ops, wake) == 28);
static_assert(offsetof(struct msr_ops, map_len) == 32);
static_assert(MSR_IOC_OPS == 0x63a3);

#define OP_FLAGS (MSR_OP_WRITE | MSR_OP_TSC)

/**
 * msr_ops_check_tail() - what a caller's structure has behind the members that are known
 * @tail:	where
 * @len:	bytes there
 *
 * Context: may sleep. Return: 0; -EFAULT; -E2BIG if it is not 0.
 */
int msr_ops_check_tail(const char __user *tail, size_t len)
{
	char buf[64];

	while (len) {
		size_t n = min(len, sizeof(buf));

		if (copy_from_user(buf, tail, n))
			return -EFAULT;
		if (memchr_inv(buf, 0, n))
			return -E2BIG;
		tail += n;
		len -= n;
	}
	return 0;
}

/**
 * msr_ops_check_size() - the size of a structure that a caller states
 * @size:	what it states
 * @known:	the size that this module knows
 *
 * Return: 0, -EINVAL or -E2BIG.
 */
int msr_ops_check_size(u32 size, size_t known)
{
	if (size < known)
		return -EINVAL;
	return size > PAGE_SIZE ? -E2BIG : 0;
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
	u32 size;
	int err;

	if (get_user(size, (const u32 __user *)arg))
		return -EFAULT;
	err = msr_ops_check_size(size, sizeof(*head));
	if (err)
		return err;
	if (copy_from_user(head, arg, sizeof(*head)))
		return -EFAULT;
	err = msr_ops_check_tail((const char __user *)arg + sizeof(*head), size - sizeof(*head));
	if (err)
		return err;

	err = msr_ops_check_size(head->op_size, sizeof(struct msr_op));
	if (err)
		return err;
	if (!head->count)
		return -EINVAL;
	return head->count > MSR_BATCH_MAX_OPS ? -E2BIG : 0;
}

static int copy_in_one(struct msr_batch_op *op, struct msr_extension *ext, const char __user *from,
		       u32 op_size, u32 flags)
{
	struct msr_op uop;

	if (copy_from_user(&uop, from, sizeof(uop)))
		return -EFAULT;
	if (uop.flags & ~flags || uop.limit_us)
		return -EINVAL;
	if (uop.mask && !(uop.flags & MSR_OP_WRITE))
		return -EINVAL;

	*op = (struct msr_batch_op){
		.cpu = min_t(u32, uop.cpu, U16_MAX), /* there is no such CPU */
		.isrdmsr = !(uop.flags & MSR_OP_WRITE),
		.msr = uop.msr,
		.msrdata = uop.data,
	};
	*ext = (struct msr_extension){
		.mask = uop.mask ?: U64_MAX,
		.stamp = uop.flags & MSR_OP_TSC,
	};
	return msr_ops_check_tail(from + sizeof(uop), op_size - sizeof(uop));
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

static void give_way(u32 i)
{
	if (i % MSR_CHUNK_OPS == MSR_CHUNK_OPS - 1)
		cond_resched();
}

/** msr_ops_user() - where the caller has an operation. @array: of them. @i: its number. */
struct msr_op __user *msr_ops_user(const struct msr_ops_array *array, u32 i)
{
	return (struct msr_op __user *)(array->uops + (size_t)i * array->op_size);
}

/**
 * msr_ops_copy_in() - copy the operations
 * @array:	where from and where to
 * @flags:	flags that they may have
 *
 * Context: may sleep. Return: 0, -EFAULT, -EINVAL or -E2BIG.
 */
int msr_ops_copy_in(const struct msr_ops_array *array, u32 flags)
{
	int err;
	u32 i;

	for (i = 0; i < array->count; i++) {
		give_way(i);
		err = copy_in_one(&array->ops[i], &array->ext[i],
				  (const char __user *)msr_ops_user(array, i), array->op_size,
				  flags);
		if (err)
			return err;
	}
	return 0;
}

/* Return: the number of operations that failed, or a negative errno. */
static long run_ops(const struct msr_ops_array *run, unsigned long opened)
{
	long failed = 0;
	int err;
	u32 i;

	err = msr_ops_copy_in(run, OP_FLAGS);
	if (err)
		return err;
	err = msr_access_extended(run->ops, run->ext, run->count, opened);
	if (err < 0 && err != -EINTR)
		return err; /* nothing has been executed */

	for (i = 0; i < run->count; i++) {
		give_way(i);
		if (copy_out_one(&run->ops[i], &run->ext[i], msr_ops_user(run, i)))
			return -EFAULT;
		failed += run->ops[i].err != 0;
	}
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
 * @opened:	what msr_access_opened() returned when the caller's file was opened
 *
 * Context: may sleep. Return: what ioctl(2) returns; see msr_safe.h.
 */
long msr_ops_ioctl(void __user *arg, unsigned long opened)
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
	};
	return run.count <= MSR_SMALL_BATCH ? run_small(&run, opened) : run_large(&run, opened);
}
