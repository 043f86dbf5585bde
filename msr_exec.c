// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations, each executed on the CPU it is for. The operations for one CPU are linked into
 * its queue, in order, and executed by visits.
 */

#include <linux/errno.h>
#include <linux/lockdep.h>
#include <asm/msr.h>

#include "msr_access.h"
#include "msr_compat.h"
#include "msr_exec.h"
#include "msr_mem.h"
#include "msr_safe.h"
#include "msr_visit.h"

/* Operations on their way through their CPUs; the tail of a queue is its last operation. */
struct exec_run {
	struct msr_visits visits;
	struct msr_batch_op *ops;
	struct msr_extension *ext; /* of each operation, if they are extended */
	u32 count;
	u32 *next; /* the operation after each in its queue; NULL if all are in one */
};

static noinline int execute_write(const struct msr_batch_op *op)
{
	u64 value = op->msrdata;

	return msr_exec_merge(op->msr, op->wmask, &value) ?: wrmsrq_safe(op->msr, value);
}

/*
 * On the CPU of the operation. No task and no interrupt on that CPU runs between the
 * read and the write of a masked write. An NMI or an SMI can, and so can another CPU,
 * if the CPUs share the register.
 */
static __always_inline int execute(struct msr_batch_op *op)
{
	u64 value;
	int err;

	lockdep_assert_irqs_disabled();
	if (!op->isrdmsr)
		return execute_write(op);

	err = rdmsrq_safe(op->msr, &value);
	if (!err)
		op->msrdata = value;
	return err;
}

/* The same for an extended operation. The time stamps are those of the instruction itself. */
static int execute_extended(struct msr_batch_op *op, struct msr_extension *ext)
{
	u64 value = op->msrdata;
	int err = 0;

	lockdep_assert_irqs_disabled();
	if (!op->isrdmsr)
		err = msr_exec_merge(op->msr, op->wmask & ext->mask, &value);
	if (err)
		return err;
	if (ext->stamp)
		ext->tsc_before = rdtsc_ordered();
	if (op->isrdmsr)
		err = rdmsrq_safe(op->msr, &value);
	else
		err = wrmsrq_safe(op->msr, value);
	if (ext->stamp)
		ext->tsc_after = rdtsc_ordered();
	if (op->isrdmsr && !err)
		op->msrdata = value;
	return err;
}

/* All operations are in one queue. Return: the next one, for another visit. */
static u32 execute_all(struct msr_visits *visits, struct msr_queue *queue)
{
	struct exec_run *run = container_of(visits, struct exec_run, visits);
	struct msr_batch_op *op = run->ops + queue->head;
	struct msr_batch_op *end = run->ops + min(run->count, queue->head + MSR_VISIT_OPS);
	u32 start = rdtsc();

	do {
		if (op->err != MSR_NOT_RUN)
			continue;
		op->err = execute(op);
		if (op->err)
			visits->failed = true;
	} while (++op < end && msr_visit_time_left(start));
	return op - run->ops;
}

/* The operations in a queue of several. Return: the next one, for another visit. */
static __always_inline u32 execute_queue(struct msr_visits *visits, u32 head, const bool extended)
{
	struct exec_run *run = container_of(visits, struct exec_run, visits);
	struct msr_batch_op *ops = run->ops;
	const u32 *next = run->next;
	u32 left = MSR_VISIT_OPS;
	bool failed = false;
	u32 start = rdtsc();

	do {
		ops[head].err = extended ? execute_extended(&ops[head], &run->ext[head]) :
					   execute(&ops[head]);
		if (ops[head].err)
			failed = true;
		head = next[head];
	} while (head < run->count && --left && msr_visit_time_left(start));
	if (failed)
		WRITE_ONCE(visits->failed, true);
	return head;
}

static u32 execute_linked(struct msr_visits *visits, struct msr_queue *queue)
{
	return execute_queue(visits, queue->head, false);
}

static u32 execute_linked_extended(struct msr_visits *visits, struct msr_queue *queue)
{
	return execute_queue(visits, queue->head, true);
}

static u32 next_op(const struct exec_run *run, u32 i)
{
	return run->next ? run->next[i] : i + 1;
}

/* Between visits. Return: is there anything to visit a CPU for? */
static bool finish_round(struct exec_run *run)
{
	u32 i;

	for (i = 0; i <= run->visits.queue_mask; i++) {
		struct msr_queue *queue = &run->visits.queues[i];

		while (queue->head < run->count && run->ops[queue->head].err != MSR_NOT_RUN)
			queue->head = next_op(run, queue->head);
		if (queue->head < run->count)
			return true;
	}
	return false;
}

/* The operations that are left are not executed, and say why. */
static int abandon_run(struct exec_run *run, int err)
{
	u32 i, j;

	for (i = 0; i <= run->visits.queue_mask; i++)
		for (j = run->visits.queues[i].head; j < run->count; j = next_op(run, j))
			if (run->ops[j].err == MSR_NOT_RUN)
				run->ops[j].err = err;
	return err == -EINTR ? err : MSR_HAS_ERRORS;
}

static int visit_until_done(struct exec_run *run)
{
	int err = 0;

	while (!err && finish_round(run))
		err = msr_visit_round(&run->visits);
	if (err)
		return abandon_run(run, err);
	return run->visits.failed ? MSR_HAS_ERRORS : 0;
}

static int exec_on_one(struct exec_run *run)
{
	struct msr_queue queue = { .cpu = run->ops->cpu };

	run->visits.execute = execute_all;
	run->visits.queues = &queue;
	return msr_bound_cpu(&queue.cpu) ? visit_until_done(run) : MSR_HAS_ERRORS;
}

/* Links the operations that may be executed into a queue for each CPU. */
static void fill_queues(struct exec_run *run)
{
	u32 i;

	for (i = 0; i <= run->visits.queue_mask; i++)
		run->visits.queues[i] = (struct msr_queue){ .cpu = MSR_NO_CPU, .head = run->count };

	for (i = 0; i < run->count; i++) {
		u32 cpu = run->ops[i].cpu;
		struct msr_queue *queue;

		msr_give_way(i);
		if (run->ops[i].err != MSR_NOT_RUN)
			continue;
		if (!msr_bound_cpu(&cpu)) {
			run->visits.failed = true;
			continue;
		}

		queue = msr_find_queue(run->visits.queues, run->visits.queue_mask, cpu);
		if (queue->cpu == MSR_NO_CPU) {
			queue->cpu = cpu;
			queue->head = i;
		} else {
			run->next[queue->tail] = i;
		}
		queue->tail = i;
		run->next[i] = run->count;
	}
}

static int exec_on_many(struct exec_run *run, u32 *next, struct msr_queue *queues)
{
	run->visits.execute = run->ext ? execute_linked_extended : execute_linked;
	run->visits.queues = queues;
	run->visits.queue_mask = msr_nr_queues(run->count) - 1;
	run->next = next;
	fill_queues(run);
	return visit_until_done(run);
}

static noinline int exec_small_on_many(struct exec_run *run)
{
	struct msr_queue queues[MSR_SMALL_BATCH] __uninitialized;
	u32 next[MSR_SMALL_BATCH] __uninitialized;

	return exec_on_many(run, next, queues);
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
 * msr_exec_prepare() - allocate the memory that executing operations takes
 * @mem:	set; msr_exec_release() frees it
 * @ops:	the operations; only @cpu of each counts
 * @count:	number of @ops, more than %MSR_SMALL_BATCH
 * @extended:	whether they are extended operations
 *
 * Apart from msr_exec(), because the writer of an allowlist waits for that, and
 * must not wait for memory that a user allocates.
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int msr_exec_prepare(struct msr_exec_mem *mem, const struct msr_batch_op *ops, u32 count,
		     bool extended)
{
	u32 nr_queues = msr_nr_queues(count);
	int err;

	*mem = (struct msr_exec_mem){ 0 };
	if (!extended && !for_several_cpus(ops, count))
		return 0;
	err = msr_mem_alloc(&mem->mem,
			    nr_queues * sizeof(*mem->queues) + count * sizeof(*mem->next));
	if (err)
		return err;
	mem->queues = mem->mem.addr;
	mem->next = (u32 *)&mem->queues[nr_queues];
	return 0;
}

/** msr_exec_release() - undo msr_exec_prepare(). @mem: what it has set. Context: may sleep. */
void msr_exec_release(struct msr_exec_mem *mem)
{
	msr_mem_free(&mem->mem);
}

/**
 * msr_exec() - execute operations, each on its CPU
 * @ops:	the operations; those whose @err is %MSR_NOT_RUN are executed, and
 *		still have it if their CPU does not exist or is offline. The
 *		others are passed over. Those for one CPU are executed in the
 *		order of the array.
 * @ext:	what each has beside, if they are extended; or NULL
 * @count:	number of @ops, at least 1
 * @cut:	nothing is executed after this is set and msr_visit_barrier() has
 *		returned; operations that are left say -ESTALE
 * @mem:	from msr_exec_prepare(); NULL for up to %MSR_SMALL_BATCH operations
 * @privileged:	as for msr_confine_exempts(). Operations that are left when root takes a CPU
 *		away from the caller say -EACCES.
 *
 * Context: may sleep; preemption and interrupts on. No CPU is kept from anything
 * else for longer than about 50 microseconds and one operation. A CPU that does not
 * answer delays the callers that want it.
 *
 * Return: 0 if all that were to be executed were, with success;
 * %MSR_HAS_ERRORS if not, and the operations say why;
 * -EINTR a fatal signal came first: operations that were not executed say -EINTR, too.
 */
int msr_exec(struct msr_batch_op *ops, struct msr_extension *ext, u32 count, const bool *cut,
	     const struct msr_exec_mem *mem, bool privileged)
{
	struct exec_run run = {
		.visits = { .end = count, .cut = cut, .privileged = privileged },
		.ops = ops,
		.ext = ext,
		.count = count,
	};

	if (mem && mem->queues)
		return exec_on_many(&run, mem->next, mem->queues);
	if (!mem && (ext || for_several_cpus(ops, count)))
		return exec_small_on_many(&run);
	return exec_on_one(&run);
}

/**
 * msr_exec_here_extended() - execute an extended operation for this CPU
 * @op:		the operation; gets its @err
 * @ext:	what it has beside
 *
 * Context: interrupts off.
 */
void msr_exec_here_extended(struct msr_batch_op *op, struct msr_extension *ext)
{
	op->err = execute_extended(op, ext);
}

/**
 * msr_exec_here() - execute an operation for this CPU
 * @op:		the operation; gets its @err
 *
 * Context: interrupts off.
 */
void msr_exec_here(struct msr_batch_op *op)
{
	op->err = execute(op);
}
