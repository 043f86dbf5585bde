// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load and unload; the per-CPU devices, /dev/cpu/N/msr_safe, which come and go
 * with their CPUs.
 */

#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

#include "msr_allowlist.h"
#include "msr_batch.h"
#include "msr_compat.h"
#include "msr_exec.h"
#include "msr_node.h"
#include "msr_safe.h"
#include "msr_version.h"

static unsigned int mdev_msr_safe;
module_param_cb(mdev_msr_safe, &msr_major_ops, &mdev_msr_safe, 0444);
MODULE_PARM_DESC(mdev_msr_safe, "Major number of the per-CPU devices (0: dynamic)");

static enum cpuhp_state cpuhp_state;

/* On these devices a register with no writable bit is EACCES to a write. */
static __always_inline int access_msr(struct file *file, loff_t addr, struct msr_batch_op *op)
{
	const struct msr_table *table;
	bool allowed;
	int ticket;

	if (addr > U32_MAX)
		return -EACCES;
	op->cpu = iminor(file_inode(file));
	op->msr = addr;

	table = msr_allowlist_enter(&ticket);
	allowed = msr_allowlist_judge_one(&table->index, op);
	if (!op->isrdmsr)
		allowed = msr_allowlist_judge_writes(op, op + 1, allowed);
	if (msr_allowlist_revoked(file))
		op->err = -ESTALE;
	else if (allowed)
		msr_exec(op, 1, NULL);
	msr_allowlist_exit(ticket);

	return op->err == -EROFS ? -EACCES : op->err;
}

static ssize_t cpu_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	struct msr_batch_op op __uninitialized;
	int err;

	if (count != sizeof(op.msrdata))
		return -EINVAL;

	op.isrdmsr = 1;
	err = access_msr(file, *ppos, &op);
	if (err)
		return err;
	if (put_user(op.msrdata, (u64 __user *)buf))
		return -EFAULT;
	return sizeof(op.msrdata);
}

static ssize_t cpu_write(struct file *file, const char __user *buf, size_t count, loff_t *ppos)
{
	struct msr_batch_op op __uninitialized;
	int err;

	if (count != sizeof(op.msrdata))
		return -EINVAL;
	if (get_user(op.msrdata, (u64 __user *)buf))
		return -EFAULT;

	op.isrdmsr = 0;
	err = access_msr(file, *ppos, &op);
	return err ?: sizeof(op.msrdata);
}

static int cpu_open(struct inode *inode, struct file *file)
{
	unsigned int cpu = iminor(inode);

	if (cpu >= nr_cpu_ids || !cpu_online(cpu))
		return -ENXIO;
	if (!cpu_has(&cpu_data(cpu), X86_FEATURE_MSR))
		return -EIO;
	msr_allowlist_opened(file);
	return 0;
}

static const struct file_operations cpu_fops = {
	.owner = THIS_MODULE,
	.llseek = no_seek_end_llseek,
	.read = cpu_read,
	.write = cpu_write,
	.open = cpu_open,
};

static struct msr_node cpu_node = {
	.name = "msr_safe",
	.mode = 0600,
	.fops = &cpu_fops,
};

static int cpu_came(unsigned int cpu)
{
	char path[32];

	snprintf(path, sizeof(path), "cpu!%u!msr_safe", cpu);
	return msr_node_add(&cpu_node, cpu, path);
}

static int cpu_leaves(unsigned int cpu)
{
	msr_node_del(&cpu_node, cpu);
	return 0;
}

static int __init msr_safe_init(void)
{
	int err;

	err = msr_exec_init();
	if (err)
		return err;
	err = msr_version_init();
	if (err)
		goto out_exec;
	err = msr_allowlist_init();
	if (err)
		goto out_version;
	err = msr_batch_init();
	if (err)
		goto out_allowlist;
	err = msr_node_init(&cpu_node, mdev_msr_safe);
	if (err)
		goto out_batch;
	err = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "msr_safe:online", cpu_came, cpu_leaves);
	if (err < 0)
		goto out_node;
	cpuhp_state = err;
	return 0;

out_node:
	msr_node_uninit(&cpu_node);
out_batch:
	msr_batch_uninit();
out_allowlist:
	msr_allowlist_uninit();
out_version:
	msr_version_uninit();
out_exec:
	msr_exec_uninit();
	return err;
}
module_init(msr_safe_init);

static void __exit msr_safe_exit(void)
{
	cpuhp_remove_state(cpuhp_state);
	msr_node_uninit(&cpu_node);
	msr_batch_uninit();
	msr_allowlist_uninit();
	msr_version_uninit();
	msr_exec_uninit();
}
module_exit(msr_safe_exit);

MODULE_DESCRIPTION("Model-specific registers for users, by the administrator's allowlist");
MODULE_AUTHOR("The msr-safe developers");
MODULE_LICENSE("GPL");
