/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Confinement: which CPUs the module serves, and which of them a task may reach.
 */
#ifndef MSR_CONFINE_H
#define MSR_CONFINE_H

#include <linux/compiler.h>
#include <linux/jump_label.h>
#include <linux/sched.h>

/* The module does not serve all CPUs, or keeps tasks to their own. */
DECLARE_STATIC_KEY_FALSE(msr_confined);

bool msr_confine_is_served(unsigned int cpu);
bool msr_confine_is_own(unsigned int cpu);
bool msr_confine_reaches(const struct task_struct *task, unsigned int cpu);
bool msr_confine_exempts(bool privileged);
bool msr_confine_is_privileged(void);

/** msr_confine_serves() - whether the module serves a CPU. @cpu: one that exists. */
static __always_inline bool msr_confine_serves(unsigned int cpu)
{
	return !static_branch_unlikely(&msr_confined) || msr_confine_is_served(cpu);
}

/**
 * msr_confine_reaches_own() - whether the module serves a CPU, and the caller may reach it
 * @cpu:	the caller's
 *
 * Context: interrupts or preemption off. A caller that this refuses can still be exempt.
 */
static __always_inline bool msr_confine_reaches_own(unsigned int cpu)
{
	return !static_branch_unlikely(&msr_confined) || msr_confine_is_own(cpu);
}

int msr_confine_init(void);

#endif /* MSR_CONFINE_H */
