/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernel versions, told by what a kernel has. Nothing
 * else in the tree asks which kernel it is built for.
 */
#ifndef MSR_COMPAT_H
#define MSR_COMPAT_H

#include <linux/device.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>
#include <linux/security.h>
#include <asm/msr.h>

#ifndef CONFIG_X86_64
#error "msr-safe is for 64-bit x86 kernels"
#endif

/* Not zeroed, where the kernel is built to zero what is on the stack */
#ifndef __uninitialized
#define __uninitialized
#endif

/* class_create() was a macro that took the module, too. */
#ifdef class_create
#define msr_class_create(name) class_create(THIS_MODULE, name)
#else
#define msr_class_create(name) class_create(name)
#endif

/* What the callbacks of struct class are handed: once a device, then a const one */
/* clang-format off */
#define msr_callback_device(callback, type_with_const) typeof(*__builtin_choose_expr(	\
	__builtin_types_compatible_p(typeof(callback), type_with_const),		\
	(const struct device *)0, (struct device *)0))
#define msr_devnode_device msr_callback_device(((struct class *)0)->devnode,		\
	char *(*)(const struct device *, umode_t *))
#define msr_uevent_device msr_callback_device(((struct class *)0)->dev_uevent,		\
	int (*)(const struct device *, struct kobj_uevent_env *))
/* clang-format on */

/* A kernel that cannot unload modules does not count their users. */
#ifndef CONFIG_MODULE_UNLOAD
#define module_refcount(module) ((void)(module), 1)
#endif

#ifndef lockdep_assert_preemption_disabled
#define lockdep_assert_preemption_disabled() ((void)0)
#endif

/* rdmsrl and wrmsrl, macros, became rdmsrq and wrmsrq. For a few releases both existed. */
#if defined(rdmsrl) && !defined(rdmsrq)
#define rdmsrq_safe rdmsrl_safe
#define wrmsrq_safe wrmsrl_safe
#endif

/* Kbuild says which functions and enumerators there are. */
#ifndef MSR_HAS_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*callback)(struct hrtimer *timer),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = callback;
}
#endif

/* A timer's callback runs in its interrupt, also in kernels that can run it in a thread. */
#ifdef MSR_HAS_HRTIMER_HARD
#define MSR_TIMER_MODE HRTIMER_MODE_ABS_PINNED_HARD
#else
#define MSR_TIMER_MODE HRTIMER_MODE_ABS_PINNED
#endif

#ifdef MSR_HAS_CPUS_MASK
#define msr_task_cpus(task) (&(task)->cpus_mask)
#else
#define msr_task_cpus(task) (&(task)->cpus_allowed)
#endif

/* Kernels before io_uring, and its first ones, have no such workers. */
#ifndef PF_IO_WORKER
#define PF_IO_WORKER 0
#endif

#ifndef MSR_HAS_HK_TYPE
#define HK_TYPE_TICK HK_FLAG_TICK
#endif

/* Kernels before 5.4 with lockdown, as RHEL 8 has it, ask with a text for the log. */
#ifdef kernel_is_locked_down
#define LOCKDOWN_MSR "Direct MSR access"
#define security_locked_down(what) kernel_is_locked_down(what)
#endif

#endif /* MSR_COMPAT_H */
