// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one place that executes RDMSR and WRMSR, on the CPU they are for.
 *
 * A batch is executed in visits: a CPU is visited with interrupts off, and
 * executes the operations in its queue until there are none left or the time is
 * up; then there is another visit. No lock is held: a queue is touched by its
 * CPU alone during a visit, and by the caller alone between visits.
 *
 * A CPU has one visitor at a time, so that the visits of many callers do not
 * add up to a long time without interrupts. A caller claims the CPU, visits it
 * and releases it without being preempted in between. One who finds it claimed
 * sleeps for about the time of a visit, and tries again; one who has kept
 * another waiting then sleeps as well, so that each gets a turn.
 */

#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/log2.h>
#include <linux/percpu.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "msr_compat.h"
#include "msr_exec.h"
#include "msr_mem.h"
#include "msr_safe.h"

/* How long a visit may keep a CPU from anything else, but for its last operation */
#define VISIT_US 50

/* How often to look whether a claimed CPU is free, before sleeping: a microsecond or two */
#define CLAIM_SPINS 64

#define NO_CPU U32_MAX

/* A run on one CPU: what is yet to be executed, one behind the other */
struct msr_span {
	struct msr_batch_op *op;
	struct msr_batch_op *end;
	bool failed;
};

/* The operations for one CPU among those for several */
struct msr_queue {
	u32 cpu;
	u32 head; /* the next one; msr_run.count when there is none */
	u32 tail; /* the last one */
	u8 turn; /* what came of the last one: enum msr_turn */
	bool failed;
};

enum msr_turn {
	TURN_NONE, /* the CPU is not online */
	TURN_LATER, /* it has another visitor */
	TURN_TAKEN,
};

/* A run on several CPUs */
struct msr_run {
	struct msr_batch_op *ops;
	u32 count;
	u32 *next; /* the operation after each in its queue */
	u32 queue_mask; /* number of queues, a power of two, less one */
	struct msr_queue *queues;
	bool failed;
};

/* The time of a visit in cycles; 0, if it is not known, is one operation. */
static u32 visit_cycles __ro_after_init;

/* CPUs to visit; a CPU's own mask is in use while preemption is off on it. */
static struct cpumask __percpu *visit_cpus;

enum msr_claim {
	CLAIM_FREE,
	CLAIM_TAKEN,
	CLAIM_WANTED, /* taken, and somebody sleeps who wants it */
};

static DEFINE_PER_CPU(atomic_t, claims);

/* Preemption is off from the claim of a CPU that is online to its release. */
static bool claim(u32 cpu, unsigned int *spins)
{
	atomic_t *state = per_cpu_ptr(&claims, cpu);

	while (atomic_cmpxchg(state, CLAIM_FREE, CLAIM_TAKEN) != CLAIM_FREE) {
		if (!*spins) {
			atomic_cmpxchg(state, CLAIM_TAKEN, CLAIM_WANTED);
			return false;
		}
		--*spins;
		cpu_relax();
	}
	return true;
}

/* Return: whether somebody else sleeps who wants it. */
static bool release(u32 cpu)
{
	return atomic_xchg(per_cpu_ptr(&claims, cpu), CLAIM_FREE) == CLAIM_WANTED;
}

/* Sleeps for about a visit, that somebody else may have it. */
static void let_others_visit(void)
{
	usleep_range(VISIT_US, 2 * VISIT_US);
}

static bool can_be_visited(u32 cpu)
{
	return cpu < nr_cpu_ids && cpu_online(cpu);
}

/* The bits that the write mask has clear keep the value they have. */
static noinline int execute_write(const struct msr_batch_op *op)
{
	u64 value = op->msrdata;
	u64 old;
	int err;

	if (op->wmask != U64_MAX) {
		err = rdmsrq_safe(op->msr, &old);
		if (err)
			return err;
		value = (old & ~op->wmask) | (value & op->wmask);
	}
	return wrmsrq_safe(op->msr, value);
}

/* On the CPU of the operation, interrupts off: nothing comes between. */
static __always_inline int execute(struct msr_batch_op *op)
{
	u64 value;
	int err;

	if (!op->isrdmsr)
		return execute_write(op);

	err = rdmsrq_safe(op->msr, &value);
	if (!err)
		op->msrdata = value;
	return err;
}

/* Is there time for another operation in a visit that began at @start? */
static bool time_left(u32 start)
{
	return (u32)rdtsc() - start < visit_cycles;
}

/* On the CPU, interrupts off. */
static __always_inline void visit_span(struct msr_span *span)
{
	struct msr_batch_op *op = span->op;
	struct msr_batch_op *end = span->end;
	u32 start = 0;

	if (end - op > 1)
		start = rdtsc();
	do {
		if (op->err != MSR_NOT_RUN)
			continue;
		op->err = execute(op);
		if (op->err)
			span->failed = true;
	} while (++op < end && time_left(start));

	span->op = op;
}

/* A fatal signal: what is left says that it was not executed. */
static void interrupt_span(struct msr_span *span)
{
	for (; span->op < span->end; span->op++)
		if (span->op->err == MSR_NOT_RUN)
			span->op->err = -EINTR;
}

static void visit_span_of_other(void *span)
{
	visit_span(span);
}

/* Is there anything to visit the CPU for? */
static bool skip_refused(struct msr_span *span)
{
	while (span->op < span->end && span->op->err != MSR_NOT_RUN)
		span->op++;
	return span->op < span->end;
}

/* Preemption is off. Return: whether others want the CPU, too. */
static bool visit_one(u32 cpu, struct msr_span *span)
{
	unsigned int spins = CLAIM_SPINS;
	unsigned long flags;

	if (!claim(cpu, &spins))
		return true;

	if (cpu == smp_processor_id()) {
		local_irq_save(flags);
		visit_span(span);
		local_irq_restore(flags);
	} else {
		smp_call_function_single(cpu, visit_span_of_other, span, 1);
	}
	return release(cpu);
}

static noinline int exec_on_one(struct msr_batch_op *ops, u32 count)
{
	struct msr_span span = { .op = ops, .end = ops + count };
	u32 cpu = ops->cpu;
	bool wanted;

	while (skip_refused(&span)) {
		preempt_disable();
		if (!can_be_visited(cpu)) {
			preempt_enable();
			return MSR_HAS_ERRORS;
		}
		wanted = visit_one(cpu, &span);
		preempt_enable();

		if (wanted)
			let_others_visit();
		if (fatal_signal_pending(current) && span.op < span.end) {
			interrupt_span(&span);
			return -EINTR;
		}
		cond_resched();
	}
	return span.failed ? MSR_HAS_ERRORS : 0;
}

/* The most frequent case, by the shortest way if the caller is on the CPU */
static int exec_single(struct msr_batch_op *op)
{
	unsigned long flags;

	if (op->err != MSR_NOT_RUN)
		return 0;

	local_irq_save(flags);
	if (op->cpu != smp_processor_id()) {
		local_irq_restore(flags);
		return exec_on_one(op, 1);
	}
	op->err = execute(op);
	local_irq_restore(flags);
	return op->err ? MSR_HAS_ERRORS : 0;
}

/* The queue of a CPU, or the free one to be its queue: linear probing */
static struct msr_queue *find_queue(const struct msr_run *run, u32 cpu)
{
	u32 slot = cpu & run->queue_mask;

	while (run->queues[slot].cpu != cpu && run->queues[slot].cpu != NO_CPU)
		slot = (slot + 1) & run->queue_mask;
	return &run->queues[slot];
}

/* On each CPU, interrupts off. */
static void visit_queue(void *info)
{
	const struct msr_run *run = info;
	struct msr_queue *queue = find_queue(run, smp_processor_id());
	u32 i = queue->head;
	u32 start = rdtsc();

	do {
		struct msr_batch_op *op = &run->ops[i];

		op->err = execute(op);
		if (op->err)
			queue->failed = true;
		i = run->next[i];
	} while (i < run->count && time_left(start));

	queue->head = i;
	queue->turn = TURN_TAKEN;
}

/* Preemption is off. Return: whether others want some of the CPUs, too. */
static bool claim_many(struct msr_run *run, struct cpumask *cpus)
{
	unsigned int spins = CLAIM_SPINS;
	bool wanted = false;
	u32 i;

	cpumask_clear(cpus);
	for (i = 0; i <= run->queue_mask; i++) {
		struct msr_queue *queue = &run->queues[i];

		if (queue->head >= run->count || !can_be_visited(queue->cpu))
			continue;
		if (claim(queue->cpu, &spins)) {
			cpumask_set_cpu(queue->cpu, cpus);
		} else {
			queue->turn = TURN_LATER;
			wanted = true;
		}
	}
	return wanted;
}

/* All CPUs with something in their queue that have no other visitor, at once */
static void visit_many(struct msr_run *run)
{
	struct cpumask *cpus;
	bool wanted;
	u32 cpu;

	preempt_disable();
	cpus = this_cpu_ptr(visit_cpus);
	wanted = claim_many(run, cpus);
	on_each_cpu_mask(cpus, visit_queue, run, true);
	for_each_cpu(cpu, cpus)
		wanted |= release(cpu);
	preempt_enable();

	if (wanted)
		let_others_visit();
}

/* Between visits: gives up on CPUs that have gone. Return: is anything left? */
static bool look_round(struct msr_run *run)
{
	bool left = false;
	u32 i;

	for (i = 0; i <= run->queue_mask; i++) {
		struct msr_queue *queue = &run->queues[i];

		if (queue->head < run->count && queue->turn == TURN_NONE) {
			queue->head = run->count;
			queue->failed = true;
		}
		queue->turn = TURN_NONE;
		left |= queue->head < run->count;
		run->failed |= queue->failed;
	}
	return left;
}

static void interrupt_run(struct msr_run *run)
{
	u32 i, j;

	for (i = 0; i <= run->queue_mask; i++)
		for (j = run->queues[i].head; j < run->count; j = run->next[j])
			run->ops[j].err = -EINTR;
}

static int visit_until_done(struct msr_run *run)
{
	for (;;) {
		visit_many(run);
		if (!look_round(run))
			return run->failed ? MSR_HAS_ERRORS : 0;
		if (fatal_signal_pending(current)) {
			interrupt_run(run);
			return -EINTR;
		}
		cond_resched();
	}
}

/* Threads the operations that may be executed into a queue for each CPU. */
static void fill_queues(struct msr_run *run)
{
	u32 i;

	for (i = 0; i <= run->queue_mask; i++)
		run->queues[i] = (struct msr_queue){ .cpu = NO_CPU, .head = run->count };

	for (i = 0; i < run->count; i++) {
		u32 cpu = run->ops[i].cpu;
		struct msr_queue *queue;

		if (i % MSR_CHUNK_OPS == MSR_CHUNK_OPS - 1)
			cond_resched();
		if (run->ops[i].err != MSR_NOT_RUN)
			continue;
		if (cpu >= nr_cpu_ids) {
			run->failed = true;
			continue;
		}

		queue = find_queue(run, cpu);
		if (queue->cpu == NO_CPU) {
			queue->cpu = cpu;
			queue->head = i;
		} else {
			run->next[queue->tail] = i;
		}
		queue->tail = i;
		run->next[i] = run->count;
	}
}

static u32 nr_queues_for(u32 count)
{
	return roundup_pow_of_two(min(count, nr_cpu_ids));
}

static noinline int exec_on_many(struct msr_batch_op *ops, u32 count, void *mem)
{
	struct msr_queue small_queues[MSR_SMALL_BATCH] __uninitialized;
	u32 small_next[MSR_SMALL_BATCH] __uninitialized;
	u32 nr_queues = nr_queues_for(count);
	struct msr_run run = {
		.ops = ops,
		.count = count,
		.next = small_next,
		.queue_mask = nr_queues - 1,
		.queues = small_queues,
	};

	if (mem) {
		run.queues = mem;
		run.next = (u32 *)&run.queues[nr_queues];
	}
	fill_queues(&run);
	return visit_until_done(&run);
}

static bool for_several_cpus(const struct msr_batch_op *ops, u32 count)
{
	u32 i;

	for (i = 1; i < count; i++)
		if (ops[i].cpu != ops->cpu)
			return true;
	return false;
}

/**
 * msr_exec_alloc() - get the memory that executing operations takes
 * @ops:	the operations, of which only @cpu is looked at
 * @count:	how many, more than %MSR_SMALL_BATCH
 *
 * Apart from msr_exec(), so that nobody waits for memory on behalf of a user
 * while the writer of an allowlist waits for the operations.
 *
 * Context: may sleep. Return: the memory, to be freed with kvfree(); NULL if none
 * is needed; or an error pointer: -ENOMEM.
 */
void *msr_exec_alloc(const struct msr_batch_op *ops, u32 count)
{
	void *mem;

	if (!for_several_cpus(ops, count))
		return NULL;
	mem = msr_mem_alloc(nr_queues_for(count) * sizeof(struct msr_queue) + count * sizeof(u32));
	return mem ?: ERR_PTR(-ENOMEM);
}

/**
 * msr_exec() - execute operations, each on its CPU
 * @ops:	the operations; those whose @err is %MSR_NOT_RUN are executed, and
 *		have it still if their CPU does not exist or is offline. The
 *		others are passed over. Those for one CPU are executed in the
 *		order of the array.
 * @count:	how many, at least 1
 * @mem:	from msr_exec_alloc(); NULL for up to %MSR_SMALL_BATCH operations
 *
 * Context: may sleep; preemption and interrupts on. No CPU is kept from
 * anything else for longer than about 50 microseconds and one operation.
 *
 * Return: 0 if all that were to be executed were, with success;
 * %MSR_HAS_ERRORS if not, and the operations say why;
 * -EINTR a fatal signal came first: what had no turn says -EINTR, too.
 */
int msr_exec(struct msr_batch_op *ops, u32 count, void *mem)
{
	if (count == 1)
		return exec_single(ops);
	if (mem || (count <= MSR_SMALL_BATCH && for_several_cpus(ops, count)))
		return exec_on_many(ops, count, mem);
	return exec_on_one(ops, count);
}

/**
 * msr_exec_init() - get ready to execute
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int __init msr_exec_init(void)
{
	visit_cycles = tsc_khz / 1000 * VISIT_US;
	visit_cpus = __alloc_percpu(cpumask_size(), __alignof__(struct cpumask));
	return visit_cpus ? 0 : -ENOMEM;
}

/** msr_exec_uninit() - undo msr_exec_init(). Context: may sleep. */
void msr_exec_uninit(void)
{
	free_percpu(visit_cpus);
}
