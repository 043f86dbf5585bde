// SPDX-License-Identifier: GPL-2.0-only
/*
 * A timer that does nothing but come again, of the kind that sampling uses.
 *
 *	insmod nulltimer.ko cpu=0 period_ns=1000000
 *	cat /sys/module/nulltimer/parameters/count	how often it has run
 *
 * For the benchmark, in a guest: what it takes is what no sampling by a timer can do without.
 */

#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/smp.h>

#include "msr_compat.h"

static uint cpu;
module_param(cpu, uint, 0444);
MODULE_PARM_DESC(cpu, "The CPU");

static ulong period_ns = NSEC_PER_MSEC;
module_param(period_ns, ulong, 0444);
MODULE_PARM_DESC(period_ns, "From one run to the next");

static ulong count;
module_param(count, ulong, 0444);
MODULE_PARM_DESC(count, "How often it has run");

static struct hrtimer timer;

static enum hrtimer_restart run_again(struct hrtimer *unused)
{
	WRITE_ONCE(count, count + 1);
	hrtimer_add_expires_ns(&timer, period_ns);
	return HRTIMER_RESTART;
}

static void start(void *unused)
{
	hrtimer_start(&timer, ktime_add_ns(ktime_get(), period_ns), MSR_TIMER_MODE);
}

static int __init nulltimer_init(void)
{
	hrtimer_setup(&timer, run_again, CLOCK_MONOTONIC, MSR_TIMER_MODE);
	return smp_call_function_single(cpu, start, NULL, true);
}
module_init(nulltimer_init);

static void __exit nulltimer_exit(void)
{
	hrtimer_cancel(&timer);
}
module_exit(nulltimer_exit);

MODULE_DESCRIPTION("A timer that does nothing, for the benchmark");
MODULE_AUTHOR("The msr-safe developers");
MODULE_LICENSE("GPL");
