// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does with msr_compat.h what the module does, in the kernel that made_up.h makes up. It
 * compiles without a warning, and ends with 0, if msr_compat.h chooses what this kernel has.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "msr_compat.h"

static char *devnode(msr_devnode_device *dev, umode_t *mode)
{
	(void)dev;
	(void)mode;
	return NULL;
}

static int uevent(msr_uevent_device *dev, struct kobj_uevent_env *env)
{
	(void)dev;
	(void)env;
	return 0;
}

static bool failed;

static void expect(bool right, const char *what)
{
	if (right)
		return;
	puts(what);
	failed = true;
}

static bool chooses_uninitialized(void)
{
	struct {
		char c;
		char array[1] __uninitialized;
	} in_struct;
	bool aligned = __alignof__(in_struct) == 64;

#ifdef HAVE_UNINITIALIZED
	return aligned;
#else
	return !aligned;
#endif
}

static bool chooses_assert(void)
{
	lockdep_assert_preemption_disabled();
#ifdef HAVE_LOCKDEP_ASSERT
	return used.asserts == 1;
#else
	return !used.asserts;
#endif
}

static bool chooses_refcount(void)
{
	int count = module_refcount(THIS_MODULE);

#ifdef CONFIG_MODULE_UNLOAD
	return count == 1 && used.refcounts == 1;
#else
	return count == 1 && !used.refcounts;
#endif
}

static bool chooses_lockdown(void)
{
	if (!security_locked_down(LOCKDOWN_MSR))
		return false;
#ifdef HAVE_KERNEL_IS_LOCKED_DOWN
	return strcmp(used.lockdown_text, "Direct MSR access") == 0;
#else
	return used.lockdown_reason == LOCKDOWN_MSR;
#endif
}

static bool chooses_mask(void)
{
	static struct task_struct task;

	return (void *)msr_task_cpus(&task) == (void *)&task.mask_of_this_kernel;
}

static bool chooses_worker(void)
{
#ifdef HAVE_IO_WORKER
	return PF_IO_WORKER == 0x10;
#else
	return !PF_IO_WORKER;
#endif
}

static enum hrtimer_restart callback(struct hrtimer *timer)
{
	(void)timer;
	return HRTIMER_NORESTART;
}

static bool chooses_timer(void)
{
	struct hrtimer timer;

	hrtimer_setup(&timer, callback, 1, MSR_TIMER_MODE);
	if (timer.function != callback || used.timer_clock != 1)
		return false;
#ifdef HAVE_HRTIMER_HARD
	return used.timer_mode == HRTIMER_MODE_ABS_PINNED_HARD;
#else
	return used.timer_mode == HRTIMER_MODE_ABS_PINNED;
#endif
}

static bool chooses_housekeeping(void)
{
#ifdef HAVE_HK_TYPE
	return HK_TYPE_TICK == 6;
#else
	return HK_TYPE_TICK == HK_FLAG_TICK;
#endif
}

int main(void)
{
	struct class *class = msr_class_create("msr_safe");
	unsigned long long value = 0;

	class->devnode = devnode;
	class->dev_uevent = uevent;
	expect(strcmp(used.class_name, "msr_safe") == 0, "class_create");
	expect(!rdmsrq_safe(16, &value) && used.reads == 1 && value == 16, "rdmsrq_safe");
	expect(!wrmsrq_safe(16, 1) && used.writes == 1, "wrmsrq_safe");
	expect(chooses_uninitialized(), "__uninitialized");
	expect(chooses_assert(), "lockdep_assert_preemption_disabled");
	expect(chooses_refcount(), "module_refcount");
	expect(chooses_lockdown(), "security_locked_down");
	expect(chooses_mask(), "msr_task_cpus");
	expect(chooses_worker(), "PF_IO_WORKER");
	expect(chooses_timer(), "hrtimer_setup");
	expect(chooses_housekeeping(), "HK_TYPE_TICK");
	return failed;
}
