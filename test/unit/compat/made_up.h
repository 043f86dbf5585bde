/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A made-up kernel, for choices.c: what msr_compat.h needs of one. The macros HAVE_… say
 * what this kernel has. It declares nothing else, so a wrong choice does not compile.
 */
#ifndef COMPAT_KERNEL_H
#define COMPAT_KERNEL_H

#include <stddef.h>

/* What has been called */
static struct {
	const char *class_name;
	const char *lockdown_text;
	unsigned int lockdown_reason;
	unsigned int asserts;
	unsigned int refcounts;
	unsigned int reads;
	unsigned int writes;
	int timer_clock;
	int timer_mode;
} used;

/* linux/export.h, linux/module.h */
struct module {
	int unused;
};
static struct module this_module;
#define THIS_MODULE (&this_module)

#ifdef CONFIG_MODULE_UNLOAD
static inline int module_refcount(struct module *module)
{
	(void)module;
	return ++used.refcounts;
}
#endif

/* linux/compiler_attributes.h */
#ifdef HAVE_UNINITIALIZED
#define __uninitialized __attribute__((aligned(64)))
#endif

/* linux/device.h */
struct device;
struct kobj_uevent_env;
typedef unsigned short umode_t;

#ifdef HAVE_CONST_DEVNODE
typedef const struct device devnode_device;
#else
typedef struct device devnode_device;
#endif
#ifdef HAVE_CONST_UEVENT
typedef const struct device uevent_device;
#else
typedef struct device uevent_device;
#endif

struct class
{
	char *(*devnode)(devnode_device *dev, umode_t *mode);
	int (*dev_uevent)(uevent_device *dev, struct kobj_uevent_env *env);
};

static struct class *__class_create(struct module *owner, const char *name)
{
	static struct class class;

	(void)owner;
	used.class_name = name;
	return &class;
}

#ifdef HAVE_CLASS_WITH_OWNER
#define class_create(owner, name) __class_create(owner, name)
#else
static inline struct class *class_create(const char *name)
{
	return __class_create(NULL, name);
}
#endif

/* linux/hrtimer.h, linux/sched/isolation.h */
typedef int clockid_t;
enum hrtimer_restart { HRTIMER_NORESTART };
enum hrtimer_mode {
	HRTIMER_MODE_ABS_PINNED = 2,
#ifdef HAVE_HRTIMER_HARD
	HRTIMER_MODE_ABS_PINNED_HARD = 10,
#endif
};

struct hrtimer {
	enum hrtimer_restart (*function)(struct hrtimer *timer);
};

#ifdef HAVE_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*callback)(struct hrtimer *timer),
				 clockid_t clock, enum hrtimer_mode mode)
{
	timer->function = callback;
	used.timer_clock = clock;
	used.timer_mode = mode;
}
#endif
#ifdef HAVE_HRTIMER_INIT
static inline void hrtimer_init(struct hrtimer *timer, clockid_t clock, enum hrtimer_mode mode)
{
	timer->function = NULL;
	used.timer_clock = clock;
	used.timer_mode = mode;
}
#endif

#ifdef HAVE_HK_TYPE
enum hk_type { HK_TYPE_TICK = 6 };
#else
enum hk_flags { HK_FLAG_TICK = 16 };
#endif

/* linux/sched.h: all kernels have one mask, by one of two names; 5.3 renamed it */
typedef struct {
	unsigned long bits[1];
} cpumask_t;

struct task_struct {
	int flags;
	union {
		cpumask_t mask_of_this_kernel;
#ifdef HAVE_CPUS_MASK
		cpumask_t cpus_mask;
#else
		cpumask_t cpus_allowed;
#endif
	};
};

#ifdef HAVE_IO_WORKER
#define PF_IO_WORKER 0x10
#endif

/* linux/lockdep.h */
#ifdef HAVE_LOCKDEP_ASSERT
#define lockdep_assert_preemption_disabled() ((void)used.asserts++)
#endif

/* linux/kernel.h, linux/security.h */
#ifdef HAVE_KERNEL_IS_LOCKED_DOWN
#define kernel_is_locked_down(what) (used.lockdown_text = (what), 1)
#else
enum lockdown_reason { LOCKDOWN_NONE, LOCKDOWN_MSR = 7 };

static inline int security_locked_down(enum lockdown_reason what)
{
	used.lockdown_reason = what;
	return -1;
}
#endif

/* asm/msr.h */
#ifdef HAVE_RDMSRL
#define rdmsrl(msr, value) ((value) = (msr))
#endif
#ifdef HAVE_RDMSRQ
#define rdmsrq(msr, value) ((value) = (msr))
#define MSR_FUNCTION(name) name##q_safe
#else
#define MSR_FUNCTION(name) name##l_safe
#endif

static inline int MSR_FUNCTION(rdmsr)(unsigned int msr, unsigned long long *value)
{
	used.reads++;
	*value = msr;
	return 0;
}

static inline int MSR_FUNCTION(wrmsr)(unsigned int msr, unsigned long long value)
{
	(void)msr;
	(void)value;
	used.writes++;
	return 0;
}

#endif /* COMPAT_KERNEL_H */
