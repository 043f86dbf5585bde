// SPDX-License-Identifier: GPL-2.0-only
/*
 * Visits: executing on other CPUs what is queued for them.
 *
 * During a visit a CPU executes, with interrupts off, what is in its queue until nothing is
 * left or the visit has lasted long enough; then another visit follows. No lock is held: the
 * caller changes a queue between visits only, and its CPU during a visit only.
 *
 * A CPU has one visitor at a time, so that the visits of many callers do not add up
 * to a long time without interrupts. A caller claims the CPUs that it visits, with
 * preemption off until their visits are on their way. Each CPU releases its own claim
 * at the end of the visit, and the caller waits for that with preemption on. So a CPU
 * that does not answer delays only the callers that want that CPU. A caller that finds
 * a CPU claimed sleeps for about the time of a visit and tries again; a caller that
 * has kept another waiting then sleeps as well, so that each gets a turn.
 *
 * A visit executes nothing if the list that the accesses were checked against has
 * been cut, that is, if the writer of a new list no longer waits for them.
 */

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <asm/tsc.h>

#include "msr_compat.h"
#include "msr_confine.h"
#include "msr_visit.h"

/* The longest time that a visit keeps a CPU from anything else, without its last operation */
#define VISIT_US 50

/* How often to look whether a claimed CPU is free, before sleeping: a microsecond or two */
#define CLAIM_SPINS 64

/* How often to look whether a visit has ended, before sleeping: about the time of one */
#define VISIT_SPINS 1024

u32 msr_visit_cycles __ro_after_init;

/* CPUs to visit; a CPU's own mask is in use while preemption is off on it. */
static struct cpumask __percpu *visit_cpus;

enum msr_claim {
	CLAIM_FREE,
	CLAIM_TAKEN,
	CLAIM_CONTENDED, /* claimed, and another caller is waiting */
};

static DEFINE_PER_CPU(atomic_t, claims);

/* The CPU stays online while preemption is off, and its visit is on its way before that ends. */
static bool claim(u32 cpu, unsigned int *spins)
{
	atomic_t *state = per_cpu_ptr(&claims, cpu);

	lockdep_assert_preemption_disabled();
	while (atomic_cmpxchg(state, CLAIM_FREE, CLAIM_TAKEN) != CLAIM_FREE) {
		if (!*spins) {
			atomic_cmpxchg(state, CLAIM_TAKEN, CLAIM_CONTENDED);
			return false;
		}
		--*spins;
		cpu_relax();
	}
	return true;
}

/* The CPU ends its visit. Sets *@contended if another caller is waiting for it. */
static void release(bool *contended)
{
	if (atomic_xchg(this_cpu_ptr(&claims), CLAIM_FREE) == CLAIM_CONTENDED)
		WRITE_ONCE(*contended, true);
}

/* Sleeps for about a visit, and another caller gets its turn. */
static void back_off(bool *contended)
{
	if (!*contended)
		return;
	*contended = false;
	usleep_range(VISIT_US, 2 * VISIT_US);
}

/* A visit cannot be called back, so not even a fatal signal ends the wait. */
static void wait_for_visits(struct msr_visits *visits)
{
	unsigned int spins = VISIT_SPINS;

	might_sleep();
	while (!completion_done(&visits->ended)) {
		if (!spins-- || need_resched()) {
			wait_for_completion(&visits->ended);
			return;
		}
		cpu_relax();
	}
}

/* On the CPU, interrupts off. There is something to execute. */
static void visit_queue(struct msr_visits *visits, struct msr_queue *queue)
{
	if (!READ_ONCE(*visits->cut))
		queue->head = visits->execute(visits, queue);
	release(&visits->contended);
}

static void visit_queue_of_other(void *info)
{
	struct msr_visits *visits = info;

	visit_queue(visits, msr_find_queue(visits->queues, visits->queue_mask, smp_processor_id()));
	if (atomic_dec_and_test(&visits->pending))
		complete(&visits->ended);
}

/* Claims all CPUs with something in their queue but the caller's. Return: how many. */
static unsigned int claim_others(struct msr_visits *visits, struct cpumask *cpus)
{
	unsigned int spins = CLAIM_SPINS;
	unsigned int count = 0;
	u32 i;

	visits->here = NULL;
	cpumask_clear(cpus);
	for (i = 0; i <= visits->queue_mask; i++) {
		struct msr_queue *queue = &visits->queues[i];

		if (queue->head >= visits->end)
			continue;
		if (!cpu_online(queue->cpu) || !msr_confine_serves(queue->cpu)) {
			queue->head = visits->end;
			visits->failed = true;
		} else if (queue->cpu == smp_processor_id()) {
			visits->here = queue;
		} else if (claim(queue->cpu, &spins)) {
			cpumask_set_cpu(queue->cpu, cpus);
			count++;
		} else {
			visits->contended = true;
		}
	}
	return count;
}

/* Return: how many CPUs are visited; the last completes @visits->ended. */
static unsigned int visit_others(struct msr_visits *visits)
{
	struct cpumask *cpus;
	unsigned int count;

	preempt_disable();
	cpus = this_cpu_ptr(visit_cpus);
	count = claim_others(visits, cpus);
	atomic_set(&visits->pending, count);
	init_completion(&visits->ended);
	/* One alone could wait for what this CPU has last asked of another one. */
	if (count == 1) {
		visits->csd.func = visit_queue_of_other;
		visits->csd.info = visits;
		smp_call_function_single_async(cpumask_first(cpus), &visits->csd);
	} else if (count) {
		smp_call_function_many(cpus, visit_queue_of_other, visits, false);
	}
	preempt_enable();
	return count;
}

/*
 * The caller's CPU, in a section of its own, so that preemption is not off for longer.
 * If the caller is on another CPU by now, the next round visits this one.
 */
static void visit_here(struct msr_visits *visits)
{
	unsigned int spins = CLAIM_SPINS;

	preempt_disable();
	if (visits->here->cpu == smp_processor_id()) {
		if (claim(visits->here->cpu, &spins)) {
			local_irq_disable();
			visit_queue(visits, visits->here);
			local_irq_enable();
		} else {
			WRITE_ONCE(visits->contended, true);
		}
	}
	preempt_enable();
}

/*
 * Whether the caller may reach all CPUs with something in their queue. One that is offline may no
 * longer be in the caller's mask, so its queue is emptied first.
 */
static noinline bool may_visit(struct msr_visits *visits)
{
	bool all = true;
	u32 i;

	for (i = 0; i <= visits->queue_mask; i++) {
		struct msr_queue *queue = &visits->queues[i];

		if (queue->head >= visits->end)
			continue;
		if (!cpu_online(queue->cpu)) {
			queue->head = visits->end;
			visits->failed = true;
		} else if (!msr_confine_reaches(current, queue->cpu)) {
			all = false;
		}
	}
	return all || msr_confine_exempts(visits->privileged);
}

/**
 * msr_visit_round() - visit all CPUs with something in their queue and no other visitor, at once
 * @visits:	the visits; the queues of CPUs that are offline are emptied
 *
 * Context: may sleep; preemption and interrupts on. A CPU that does not answer delays the
 * caller.
 *
 * Return: 0; or no CPU has been visited, and it is -ESTALE after a cut, -EINTR for a fatal signal,
 * or -EACCES if the caller may not, or no longer, reach one of the CPUs.
 */
int msr_visit_round(struct msr_visits *visits)
{
	unsigned int count;

	if (READ_ONCE(*visits->cut))
		return -ESTALE;
	if (fatal_signal_pending(current))
		return -EINTR;
	if (static_branch_unlikely(&msr_confined) && !may_visit(visits))
		return -EACCES;

	count = visit_others(visits);
	if (visits->here)
		visit_here(visits);
	if (count)
		wait_for_visits(visits);
	back_off(&visits->contended);
	cond_resched();
	return 0;
}

static DEFINE_MUTEX(barrier_lock);
static DECLARE_COMPLETION(barrier_ended);
static atomic_t barrier_pending; /* CPUs that are yet to be interrupted */
static DEFINE_PER_CPU(call_single_data_t, barrier_csd);

static void end_barrier(void *unused)
{
	if (atomic_dec_and_test(&barrier_pending))
		complete(&barrier_ended);
}

/**
 * msr_visit_barrier() - wait for all sections with interrupts off that have begun
 *
 * Those are visits, what msr_exec_here() is called in, and callbacks of timers. Each CPU that is
 * served is interrupted once. An RCU grace period would do, too, but a user can delay that: before
 * Linux 6.18, a preemptible kernel stops a task that is out of its cgroup's time in the middle of a
 * read-side section.
 *
 * Context: may sleep. A CPU that does not answer delays the caller.
 */
void msr_visit_barrier(void)
{
	unsigned int cpu;

	might_sleep();
	mutex_lock(&barrier_lock);
	cpus_read_lock(); /* a CPU makes its last visits when it is offline already */
	reinit_completion(&barrier_ended);
	atomic_set(&barrier_pending, num_online_cpus() + 1);
	for_each_online_cpu(cpu) {
		call_single_data_t *csd = per_cpu_ptr(&barrier_csd, cpu);

		csd->func = end_barrier;
		if (msr_confine_serves(cpu))
			smp_call_function_single_async(cpu, csd);
		else
			end_barrier(NULL);
	}
	end_barrier(NULL);
	wait_for_completion(&barrier_ended);
	cpus_read_unlock();
	mutex_unlock(&barrier_lock);
}

/**
 * msr_visit_init() - get ready to visit
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int __init msr_visit_init(void)
{
	msr_visit_cycles = tsc_khz / 1000 * VISIT_US;
	visit_cpus = __alloc_percpu(cpumask_size(), __alignof__(struct cpumask));
	return visit_cpus ? 0 : -ENOMEM;
}

/** msr_visit_uninit() - undo msr_visit_init(). Context: may sleep. */
void msr_visit_uninit(void)
{
	free_percpu(visit_cpus);
}
