// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes one call that msr_safe makes into the kernel fail, on any kernel that has
 * kprobes: the function is not executed, and returns a value given.
 *
 *	insmod failstep.ko symbol=device_create nth=2 value=-12
 *
 * For tests, in a guest.
 */

#include <linux/atomic.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/string.h>

static char *symbol;
module_param(symbol, charp, 0444);
MODULE_PARM_DESC(symbol, "Function to fail");

static int nth = 1;
module_param(nth, int, 0444);
MODULE_PARM_DESC(nth, "Which of msr_safe's calls to fail, from 1; that one alone (0: all)");

static long value = -ENOMEM;
module_param(value, long, 0444);
MODULE_PARM_DESC(value, "What it is to return");

static atomic_t calls = ATOMIC_INIT(0);

/* Instead of the function: leaves its return value as it is. */
static noinline notrace void return_at_once(void)
{
	barrier();
}

static int before(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned long caller = *(unsigned long *)regs->sp;
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol(name, caller);
	if (!strstr(name, "[msr_safe]") || (nth && atomic_inc_return(&calls) != nth))
		return 0;

	regs->ax = value;
	regs->ip = (unsigned long)return_at_once;
	return 1;
}

/* One that has this may change the instruction pointer, where ftrace carries it. */
static void after(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.pre_handler = before,
	.post_handler = after,
};

static int __init failstep_init(void)
{
	probe.symbol_name = symbol;
	return register_kprobe(&probe);
}
module_init(failstep_init);

static void __exit failstep_exit(void)
{
	unregister_kprobe(&probe);
}
module_exit(failstep_exit);

MODULE_DESCRIPTION("Fails a call of msr_safe's, for tests");
MODULE_AUTHOR("The msr-safe developers");
MODULE_LICENSE("GPL");
