// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delays one call that msr_safe makes into the kernel, on any kernel that has kprobes, so that
 * what is to happen meanwhile does.
 *
 *	insmod delay.ko symbol=hrtimer_start_range_ns us=1000000
 *	insmod delay.ko symbol=__cond_resched callers=allows,msr_grants_cut
 *	echo 1 > /sys/module/delay/parameters/nth	delays the first call from now on
 *	cat /sys/module/delay/parameters/active		whether it is delayed now
 *	echo 1 > /sys/module/delay/parameters/release	ends that early
 *	cat /sys/module/delay/parameters/delayed	how many have been
 *
 * The task keeps its CPU meanwhile: preemption is off, and interrupts are as the caller has them.
 * To load and to unload it changes the code of the function, so other CPUs of an emulator must be
 * offline then.
 *
 * For tests, in a guest.
 */

#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/processor.h>
#include <linux/ptrace.h>
#include <linux/string.h>

static char *symbol;
module_param(symbol, charp, 0444);
MODULE_PARM_DESC(symbol, "Function to delay");

static char *callers[8];
static uint nr_callers;
module_param_array(callers, charp, &nr_callers, 0444);
MODULE_PARM_DESC(callers, "Functions whose calls to delay (default: all of msr_safe's)");

static uint us = 1000000;
module_param(us, uint, 0644);
MODULE_PARM_DESC(us, "For how long, in microseconds");

static int nth;
module_param(nth, int, 0644);
MODULE_PARM_DESC(nth, "Which of the calls from now on to delay, from 1; that one alone (0: none)");

static bool release;
module_param(release, bool, 0644);
MODULE_PARM_DESC(release, "Set to end a delay");

static bool active;
module_param(active, bool, 0444);
MODULE_PARM_DESC(active, "Whether a call is delayed");

static uint delayed;
module_param(delayed, uint, 0444);
MODULE_PARM_DESC(delayed, "How many calls have been delayed");

/* @caller: an address in a module */
static bool is_to_delay(unsigned long caller)
{
	char name[KSYM_SYMBOL_LEN];
	uint i;

	sprint_symbol(name, caller);
	if (!strstr(name, "[msr_safe]"))
		return false;
	for (i = 0; i < nr_callers; i++)
		if (!strncmp(name, callers[i], strlen(callers[i])))
			return true;
	return !nr_callers;
}

static int before(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned long caller = *(unsigned long *)regs->sp;
	ktime_t end;

	if (READ_ONCE(nth) <= 0 || caller < MODULES_VADDR || caller >= MODULES_END ||
	    !is_to_delay(caller) || xadd(&nth, -1) != 1)
		return 0;
	WRITE_ONCE(active, true);
	end = ktime_add_us(ktime_get(), us);
	while (ktime_before(ktime_get(), end) && !READ_ONCE(release))
		cpu_relax();
	WRITE_ONCE(delayed, delayed + 1);
	WRITE_ONCE(active, false);
	return 0;
}

static struct kprobe probe = {
	.pre_handler = before,
};

static int __init delay_init(void)
{
	probe.symbol_name = symbol;
	return register_kprobe(&probe);
}
module_init(delay_init);

static void __exit delay_exit(void)
{
	unregister_kprobe(&probe);
}
module_exit(delay_exit);

MODULE_DESCRIPTION("Delays a call of msr_safe's, for tests");
MODULE_AUTHOR("The msr-safe developers");
MODULE_LICENSE("GPL");
