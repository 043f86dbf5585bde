// SPDX-License-Identifier: GPL-2.0-only
/*
 * The per-CPU devices, /dev/cpu/N/msr_safe, which come and go with their CPUs.
 */

#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

#include "msr_access.h"
#include "msr_compat.h"
#include "msr_confine.h"
#include "msr_cpu.h"
#include "msr_node.h"
#include "msr_param.h"
#include "msr_safe.h"

static struct msr_param mdev_msr_safe = MSR_MAJOR;
module_param_cb(mdev_msr_safe, &msr_param_ops, &mdev_msr_safe, 0444);
MODULE_PARM_DESC(mdev_msr_safe, "Major number of the per-CPU devices (0: dynamic)");

static enum cpuhp_state cpuhp_state;

/* On these devices a write to a register with no writable bit is EACCES. */
static __always_inline int access_msr(struct file *file, loff_t addr, struct msr_batch_op *op)
{
	int err;

	if (addr > U32_MAX)
		return -EACCES;
	op->cpu = iminor(file_inode(file));
	op->msr = addr;

	err = msr_access(op, 1, (unsigned long)file->private_data);
	if (err <= 0)
		return err;
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

	if (cpu >= nr_cpu_ids)
		return -ENXIO;
	cpu = array_index_nospec(cpu, nr_cpu_ids);
	if (!cpu_online(cpu) || !msr_confine_serves(cpu))
		return -ENXIO;
	if (!cpu_has(&cpu_data(cpu), X86_FEATURE_MSR))
		return -EIO;
	return msr_access_opened(&file->private_data);
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

static int cpu_online_cb(unsigned int cpu)
{
	char path[32];

	if (!msr_confine_serves(cpu))
		return 0;
	snprintf(path, sizeof(path), "cpu!%u!msr_safe", cpu);
	return msr_node_add(&cpu_node, cpu, path);
}

static int cpu_offline_cb(unsigned int cpu)
{
	msr_node_del(&cpu_node, cpu);
	return 0;
}

/**
 * msr_cpu_init() - create the devices of the CPUs that are online
 *
 * Context: may sleep. Return: 0, or a negative errno with nothing left behind.
 */
int __init msr_cpu_init(void)
{
	int err;

	err = msr_node_init(&cpu_node, mdev_msr_safe.value);
	if (err)
		return err;
	err = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "msr_safe:online", cpu_online_cb,
				cpu_offline_cb);
	if (err < 0) {
		msr_node_uninit(&cpu_node);
		return err;
	}
	cpuhp_state = err;
	return 0;
}

/** msr_cpu_uninit() - undo msr_cpu_init(). Context: may sleep. */
void msr_cpu_uninit(void)
{
	cpuhp_remove_state(cpuhp_state);
	msr_node_uninit(&cpu_node);
}
