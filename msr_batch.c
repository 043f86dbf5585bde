// SPDX-License-Identifier: GPL-2.0-only
/*
 * The devices for many accesses at once. /dev/cpu/msr_batch: the classic batch, that is, copy
 * in, access, copy out; and which part serves the other commands. /dev/cpu/msr_sample: those
 * commands, with the right to wait and to sample.
 */

#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "msr_access.h"
#include "msr_batch.h"
#include "msr_compat.h"
#include "msr_mem.h"
#include "msr_node.h"
#include "msr_param.h"
#include "msr_ops.h"
#include "msr_safe.h"
#include "msr_session.h"
#include "msr_version.h"

/* Clients carry copies of these layouts. */
static_assert(sizeof(struct msr_batch_op) == 32);
static_assert(sizeof(struct msr_batch_array) == 16);

static struct msr_param mdev_msr_batch = MSR_MAJOR;
module_param_cb(mdev_msr_batch, &msr_param_ops, &mdev_msr_batch, 0444);
MODULE_PARM_DESC(mdev_msr_batch, "Major number of the batch device (0: dynamic)");

static struct msr_param mdev_msr_sample = MSR_MAJOR;
module_param_cb(mdev_msr_sample, &msr_param_ops, &mdev_msr_sample, 0444);
MODULE_PARM_DESC(mdev_msr_sample, "Major number of the sampling device (0: dynamic)");

static bool check_batch_version = true;
module_param(check_batch_version, bool, 0644);
MODULE_PARM_DESC(check_batch_version,
		 "Refuse batches of a version that is not served (default: 1)");

/* A minor or a patch number of the interface is at most this. */
#define RELEASE_MAX 15

static_assert(MSR_SAFE_VERSION_MINOR <= RELEASE_MAX);
static_assert(MSR_SAFE_VERSION_PATCH <= RELEASE_MAX);

/*
 * Many clients never set the word, and stray memory lies there: text, halves of pointers,
 * numbers. So a word is a version only if a release can have it: 0x00MMmmpp, up to the next
 * major number. That is 256 words for each major number, and no printable text.
 */
static bool can_be_release(u32 word)
{
	u32 major = word >> 16;

	return major >= 1 && major <= MSR_SAFE_VERSION_MAJOR + 1 &&
	       (word >> 8 & 0xff) <= RELEASE_MAX && (word & 0xff) <= RELEASE_MAX;
}

/*
 * Nearly every batch has 0 or the module's own version, and one comparison serves both: the
 * word has no bit that the own version lacks. Any such word is served: its major number is 0
 * or that of the module, which is a power of two, and its minor number is not newer.
 */
static_assert((MSR_SAFE_VERSION_MAJOR & (MSR_SAFE_VERSION_MAJOR - 1)) == 0);

static bool version_served(u32 version)
{
	if (likely(!(version & ~MSR_SAFE_VERSION_u32)))
		return true;
	if (!can_be_release(version) || !READ_ONCE(check_batch_version))
		return true;
	return version >> 16 == MSR_SAFE_VERSION_MAJOR &&
	       (version >> 8 & 0xff) <= MSR_SAFE_VERSION_MINOR;
}

/*
 * Field by field, and only those that have a meaning in that direction: no more
 * work than copying 32 bytes, and nothing of the caller's is written but results.
 */
static int copy_in(struct msr_batch_op *ops, const struct msr_batch_op __user *uops, u32 count)
{
	const struct msr_batch_op *end = ops + count;

	if (!user_read_access_begin(uops, count * sizeof(*uops)))
		return -EFAULT;
	do {
		unsafe_get_user(ops->cpu, &uops->cpu, fault);
		unsafe_get_user(ops->isrdmsr, &uops->isrdmsr, fault);
		unsafe_get_user(ops->msr, &uops->msr, fault);
		unsafe_get_user(ops->msrdata, &uops->msrdata, fault);
		uops++;
	} while (++ops < end);
	user_read_access_end();
	return 0;

fault:
	user_read_access_end();
	return -EFAULT;
}

static int copy_out(struct msr_batch_op __user *uops, const struct msr_batch_op *ops, u32 count)
{
	const struct msr_batch_op *end = ops + count;

	if (!user_write_access_begin(uops, count * sizeof(*uops)))
		return -EFAULT;
	do {
		unsafe_put_user(ops->err, &uops->err, fault);
		unsafe_put_user(ops->msrdata, &uops->msrdata, fault);
		unsafe_put_user(ops->wmask, &uops->wmask, fault);
		uops++;
	} while (++ops < end);
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

static int first_error(const struct msr_batch_op *ops, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (ops[i].err)
			return ops[i].err;
	return 0;
}

/* How many of @count operations, those before @done being done, to do next */
static u32 next_chunk(u32 done, u32 count)
{
	if (done)
		cond_resched();
	return min_t(u32, count - done, MSR_CHUNK_OPS);
}

/* Access, copy out. */
static int run_batch(const struct file *file, struct msr_batch_op __user *uops,
		     struct msr_batch_op *ops, u32 count)
{
	int err;
	u32 i, n;

	err = msr_access(ops, count, (unsigned long)file->private_data);
	if (err < 0 && err != -EINTR)
		return err; /* nothing has been executed */

	for (i = 0; i < count; i += n) {
		n = next_chunk(i, count);
		if (copy_out(uops + i, ops + i, n))
			return -EFAULT;
	}
	return err == MSR_HAS_ERRORS ? first_error(ops, count) : err;
}

static int run_large_batch(const struct file *file, struct msr_batch_op __user *uops, u32 count)
{
	struct msr_batch_op *ops;
	struct msr_mem mem;
	int err;
	u32 i, n;

	if (msr_mem_alloc(&mem, count * sizeof(*ops)))
		return -E2BIG;
	ops = mem.addr;
	for (i = 0; i < count; i += n) {
		n = next_chunk(i, count);
		err = copy_in(ops + i, uops + i, n);
		if (err)
			goto out_mem;
	}
	err = run_batch(file, uops, ops, count);
out_mem:
	msr_mem_free(&mem);
	return err;
}

static int batch_open(struct inode *inode, struct file *file)
{
	return msr_access_opened(&file->private_data);
}

static long extended_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

static const struct file_operations sample_fops = {
	.owner = THIS_MODULE,
	.open = batch_open,
	.unlocked_ioctl = extended_ioctl,
};

/* Extended operations, executed once or prepared; to wait and to sample is a right of its own. */
static noinline long extended_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	unsigned long opened = (unsigned long)file->private_data;
	bool may_sample = file->f_op == &sample_fops;

	if (cmd != MSR_IOC_OPS && cmd != MSR_IOC_PREPARE)
		return -ENOTTY;
	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	if (cmd == MSR_IOC_OPS)
		return msr_ops_ioctl((void __user *)arg, opened, may_sample);
	return msr_session_prepare((void __user *)arg, opened, file->f_cred, may_sample);
}

static long batch_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct msr_batch_array __user *ubatch = (struct msr_batch_array __user *)arg;
	struct msr_batch_op small[MSR_SMALL_BATCH] __uninitialized;
	struct msr_batch_op __user *uops;
	struct msr_batch_op *ops;
	u32 numops, version;

	if (cmd != X86_IOC_MSR_BATCH)
		return extended_ioctl(file, cmd, arg);
	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	if (!user_read_access_begin(ubatch, sizeof(*ubatch)))
		return -EFAULT;
	unsafe_get_user(numops, &ubatch->numops, fault);
	unsafe_get_user(version, &ubatch->version, fault);
	unsafe_get_user(ops, &ubatch->ops, fault);
	user_read_access_end();
	uops = (struct msr_batch_op __user __force *)ops;

	if (!version_served(version))
		return -ENOPROTOOPT;
	if (!numops)
		return -EINVAL;
	if (numops > MSR_BATCH_MAX_OPS)
		return -E2BIG;
	if (numops > MSR_SMALL_BATCH)
		return run_large_batch(file, uops, numops);
	if (copy_in(small, uops, numops))
		return -EFAULT;
	return run_batch(file, uops, small, numops);

fault:
	user_read_access_end();
	return -EFAULT;
}

/* No compat_ioctl: a 32-bit program gets ENOTTY. */
static const struct file_operations batch_fops = {
	.owner = THIS_MODULE,
	.open = batch_open,
	.unlocked_ioctl = batch_ioctl,
};

static struct msr_node batch_node = {
	.name = "msr_batch",
	.mode = 0600,
	.fops = &batch_fops,
	.paths = { "cpu!msr_batch" },
};

static struct msr_node sample_node = {
	.name = "msr_sample",
	.mode = 0600,
	.fops = &sample_fops,
	.paths = { "cpu!msr_sample" },
};

/**
 * msr_batch_init() - create the devices
 *
 * Context: may sleep. Return: 0, or a negative errno with nothing left behind.
 */
int __init msr_batch_init(void)
{
	int err;

	err = msr_node_init(&batch_node, mdev_msr_batch.value);
	if (err)
		return err;
	err = msr_node_init(&sample_node, mdev_msr_sample.value);
	if (err)
		msr_node_uninit(&batch_node);
	return err;
}

/** msr_batch_uninit() - remove the devices. Context: may sleep. */
void msr_batch_uninit(void)
{
	msr_node_uninit(&sample_node);
	msr_node_uninit(&batch_node);
}
