// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps a CPU from answering: interrupts are off on it for a while.
 *
 *	insmod stall.ko cpu=3 stall_ms=10000
 *	echo 1 > /sys/module/stall/parameters/go	begins
 *	cat /sys/module/stall/parameters/active		whether it does not answer now
 *	echo 1 > /sys/module/stall/parameters/release	ends that early
 *	insmod stall.ko cpu=3 stall_ms=1000 pause_ms=1000	again and again
 *
 * For tests, in a guest.
 */

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/module.h>

static uint cpu;
module_param(cpu, uint, 0444);
MODULE_PARM_DESC(cpu, "The CPU");

static uint stall_ms = 1000;
module_param(stall_ms, uint, 0444);
MODULE_PARM_DESC(stall_ms, "For how long interrupts are off, in milliseconds");

static uint pause_ms;
module_param(pause_ms, uint, 0444);
MODULE_PARM_DESC(pause_ms, "How long after that they are off again (0: when go is set again)");

/* Not when the module is loaded, because loading waits for every CPU. */
static bool go;
module_param(go, bool, 0644);
MODULE_PARM_DESC(go, "Set to begin");

static bool active;
module_param(active, bool, 0444);
MODULE_PARM_DESC(active, "Whether interrupts are off");

static bool release;
module_param(release, bool, 0644);
MODULE_PARM_DESC(release, "Set to turn them on");

static struct task_struct *task;

static void stall(void)
{
	uint ms;

	local_irq_disable();
	WRITE_ONCE(active, true);
	for (ms = 0; ms < stall_ms && !READ_ONCE(release); ms++)
		mdelay(1);
	WRITE_ONCE(active, false);
	local_irq_enable();
}

static int stall_thread(void *unused)
{
	while (!kthread_should_stop()) {
		if (!READ_ONCE(go)) {
			msleep_interruptible(1);
			continue;
		}
		stall();
		if (pause_ms)
			msleep_interruptible(pause_ms);
		else
			WRITE_ONCE(go, false);
	}
	return 0;
}

static int __init stall_init(void)
{
	task = kthread_create(stall_thread, NULL, "stall");
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, cpu);
	wake_up_process(task);
	return 0;
}
module_init(stall_init);

static void __exit stall_exit(void)
{
	WRITE_ONCE(release, true);
	kthread_stop(task);
}
module_exit(stall_exit);

MODULE_DESCRIPTION("Keeps a CPU from answering, for tests");
MODULE_AUTHOR("The msr-safe developers");
MODULE_LICENSE("GPL");
