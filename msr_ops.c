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

/* Operations on their way in and out */
struct ops_run {
	struct msr_batch_op *ops;
	struct msr_extension *ext;
	char __user *uops;
	u32 op_size;
	u32 count;
};

/* Return: 0; -EFAULT; or -E2BIG if something is there that this module does not know. */
static int check_tail(const char __user *tail, size_t len)
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

static int check_size(u32 size, size_t known)
{
	if (size < known)
		return -EINVAL;
	return size > PAGE_SIZE ? -E2BIG : 0;
}

static int copy_head(struct msr_ops *head, const void __user *arg)
{
	u32 size;
	int err;

	if (get_user(size, (const u32 __user *)arg))
		return -EFAULT;
	err = check_size(size, sizeof(*head));
	if (err)
		return err;
	if (copy_from_user(head, arg, sizeof(*head)))
		return -EFAULT;
	err = check_tail((const char __user *)arg + sizeof(*head), size - sizeof(*head));
	if (err)
		return err;

	err = check_size(head->op_size, sizeof(struct msr_op));
	if (err)
		return err;
	if (head->flags || head->slots || head->wake || head->map_len || !head->count)
		return -EINVAL;
	return head->count > MSR_BATCH_MAX_OPS ? -E2BIG : 0;
}

static int copy_in_one(struct msr_batch_op *op, struct msr_extension *ext, const char __user *from,
		       u32 op_size)
{
	struct msr_op uop;

	if (copy_from_user(&uop, from, sizeof(uop)))
		return -EFAULT;
	if (uop.flags & ~OP_FLAGS || uop.limit_us)
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
	return check_tail(from + sizeof(uop), op_size - sizeof(uop));
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

/* Return: the number of operations that failed, or a negative errno. */
static long run_ops(const struct ops_run *run, unsigned long opened)
{
	long failed = 0;
	int err;
	u32 i;

	for (i = 0; i < run->count; i++) {
		give_way(i);
		err = copy_in_one(&run->ops[i], &run->ext[i], run->uops + (size_t)i * run->op_size,
				  run->op_size);
		if (err)
			return err;
	}

	err = msr_access_extended(run->ops, run->ext, run->count, opened);
	if (err < 0 && err != -EINTR)
		return err; /* nothing has been executed */

	for (i = 0; i < run->count; i++) {
		give_way(i);
		if (copy_out_one(&run->ops[i], &run->ext[i],
				 (struct msr_op __user *)(run->uops + (size_t)i * run->op_size)))
			return -EFAULT;
		failed += run->ops[i].err != 0;
	}
	return err == -EINTR ? err : failed;
}

static noinline long run_small(struct ops_run *run, unsigned long opened)
{
	struct msr_extension ext[MSR_SMALL_BATCH] __uninitialized;
	struct msr_batch_op ops[MSR_SMALL_BATCH] __uninitialized;

	run->ops = ops;
	run->ext = ext;
	return run_ops(run, opened);
}

static noinline long run_large(struct ops_run *run, unsigned long opened)
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
	struct ops_run run;
	int err;

	err = copy_head(&head, arg);
	if (err)
		return err;
	run = (struct ops_run){
		.uops = u64_to_user_ptr(head.ops),
		.op_size = head.op_size,
		.count = head.count,
	};
	return run.count <= MSR_SMALL_BATCH ? run_small(&run, opened) : run_large(&run, opened);
}
