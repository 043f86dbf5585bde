// SPDX-License-Identifier: GPL-2.0-only
/*
 * Confinement: which CPUs the module serves, and which of them a task may reach.
 *
 * The mask of a task is looked at whenever the task uses its right, since root can move a task to
 * other CPUs at any time.
 */

#include <linux/bitmap.h>
#include <linux/capability.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/user_namespace.h>

#include "msr_compat.h"
#include "msr_confine.h"

/* The CPUs that a list of them can name: more than a kernel can have */
#define CPUS_NAMED (U16_MAX + 1)

static char *cpus;
module_param(cpus, charp, 0444);
MODULE_PARM_DESC(cpus, "CPUs to serve, as in 0-3,8 (default: all)");

static bool own_cpus_only;

DEFINE_STATIC_KEY_FALSE(msr_confined);

static struct cpumask served;

static int set_own_cpus_only(const char *text, const struct kernel_param *param)
{
	bool before = own_cpus_only;
	int err = param_set_bool(text, param);

	if (err || own_cpus_only == before)
		return err;
	if (own_cpus_only)
		static_branch_inc(&msr_confined);
	else
		static_branch_dec(&msr_confined);
	return 0;
}

static const struct kernel_param_ops own_cpus_only_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = set_own_cpus_only,
	.get = param_get_bool,
};

module_param_cb(own_cpus_only, &own_cpus_only_ops, &own_cpus_only, 0644);
MODULE_PARM_DESC(own_cpus_only,
		 "Refuse CPUs that the caller is not allowed to run on (default: 0)");

/** msr_confine_is_served() - whether the parameter has a CPU. @cpu: one that exists. */
bool msr_confine_is_served(unsigned int cpu)
{
	return cpumask_test_cpu(cpu, &served);
}

/* A worker of io_uring and a kernel thread have a mask of their own, not that of the caller. */
static bool has_callers_mask(const struct task_struct *task)
{
	return !(READ_ONCE(task->flags) & (PF_IO_WORKER | PF_KTHREAD));
}

/**
 * msr_confine_reaches() - whether a task may reach a CPU
 * @task:	the current task, or another one that the caller has a reference to
 * @cpu:	a CPU that exists
 *
 * A cpuset bounds the mask of a task.
 *
 * Context: any.
 */
bool msr_confine_reaches(const struct task_struct *task, unsigned int cpu)
{
	return !READ_ONCE(own_cpus_only) ||
	       (has_callers_mask(task) && !(READ_ONCE(task->flags) & PF_EXITING) &&
		cpumask_test_cpu(cpu, msr_task_cpus(task)));
}

/** msr_confine_is_own() - what msr_confine_reaches_own() asks, if need be. @cpu: the caller's. */
bool msr_confine_is_own(unsigned int cpu)
{
	cpu = array_index_nospec(cpu, nr_cpu_ids);
	return msr_confine_is_served(cpu) && msr_confine_reaches(current, cpu);
}

/**
 * msr_confine_is_privileged() - whether the current task may open the kernel's own msr driver
 *
 * Context: may sleep.
 */
bool msr_confine_is_privileged(void)
{
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_RAWIO);
}

/**
 * msr_confine_exempts() - whether the caller may reach all CPUs that the module serves
 * @privileged:	what msr_confine_is_privileged() was when the caller's file was opened
 *
 * Both the opener and the caller have to be privileged: a privileged program that was handed a
 * descriptor is no way out, nor is a descriptor that a privileged program has handed on.
 *
 * Context: may sleep.
 */
bool msr_confine_exempts(bool privileged)
{
	return privileged && has_callers_mask(current) && msr_confine_is_privileged();
}

/**
 * msr_confine_init() - find out which CPUs are served
 *
 * CPUs that do not exist can be named, so that one configuration serves machines of all sizes.
 *
 * Context: may sleep. Return: 0, -ENOMEM, or -EINVAL for a parameter that is no list of CPUs, or
 * that names none that exists.
 */
int __init msr_confine_init(void)
{
	unsigned long *named;
	int err;

	cpumask_copy(&served, cpu_possible_mask);
	if (!cpus)
		return 0;
	named = bitmap_zalloc(CPUS_NAMED, GFP_KERNEL);
	if (!named)
		return -ENOMEM;
	err = bitmap_parselist(cpus, named, CPUS_NAMED) ? -EINVAL : 0;
	if (!err &&
	    !bitmap_and(cpumask_bits(&served), named, cpumask_bits(cpu_possible_mask), nr_cpu_ids))
		err = -EINVAL;
	bitmap_free(named);
	if (!err)
		static_branch_inc(&msr_confined);
	return err;
}
