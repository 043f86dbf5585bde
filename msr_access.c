// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one door to registers. Every device comes through msr_access(),
 * msr_access_extended(), msr_access_single() or msr_access_program(), so none can leave out a step:
 * enter, revoked, check, lockdown, execute, exit. A program was checked when it was prepared; the
 * writer of a list that takes something away from it ends it.
 */

#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>

#include "msr_access.h"
#include "msr_compat.h"
#include "msr_confine.h"
#include "msr_exec.h"
#include "msr_param.h"
#include "msr_policy.h"
#include "msr_program.h"
#include "msr_safe.h"
#include "msr_table.h"
#include "msr_trace.h"
#include "msr_visit.h"

static struct msr_param poll_gap_us = { .value = 20, .min = 1, .max = MSR_POLL_MAX_US };
module_param_cb(poll_gap_us, &msr_param_ops, &poll_gap_us, 0644);
MODULE_PARM_DESC(poll_gap_us,
		 "Time between two reads when waiting for a register of another CPU (default: 20)");

/**
 * msr_access_opened() - what a device remembers of the moment a file is opened
 * @remembered:	set to a number for msr_access()
 *
 * Context: may sleep. Return: 0, or -EACCES if the caller has no list.
 */
int msr_access_opened(void **remembered)
{
	unsigned long opened;
	int err = msr_policy_opened(&opened);

	if (!err)
		*remembered = (void *)opened;
	return err;
}

/* Return: whether the list lets the operation be executed; otherwise @op->err says why not. */
static __always_inline bool check_one(const struct msr_index *index, struct msr_batch_op *op)
{
	const struct msr_allowlist_entry *entry = msr_index_find(index, op->msr);

	op->wmask = entry ? entry->wmask : 0;
	op->err = MSR_NOT_RUN;
	if (!entry)
		op->err = -EACCES;
	else if (!op->isrdmsr && !entry->wmask)
		op->err = -EROFS;
	else
		return true;
	return false;
}

/* A write that may change none of the bits that it asks for is one to a read-only register. */
static bool check_extended(const struct msr_index *index, struct msr_batch_op *op,
			   const struct msr_extension *ext)
{
	if (!check_one(index, op))
		return false;
	if (op->isrdmsr || op->wmask & ext->mask)
		return true;
	op->err = -EROFS;
	return false;
}

static __always_inline bool check_chunk(const struct msr_index *index, struct msr_batch_op *op,
					const struct msr_batch_op *end,
					const struct msr_extension *ext, bool *writes)
{
	bool allowed = true;

	do {
		if (!(ext ? check_extended(index, op, ext++) : check_one(index, op)))
			allowed = false;
		if (!op->isrdmsr)
			*writes = true;
	} while (++op < end);
	return allowed;
}

/* Return: whether all are for CPUs that the caller may reach, but those that are to be ENXIO. */
static noinline bool check_own_cpus(struct msr_batch_op *ops, u32 count, unsigned long opened)
{
	bool allowed = true;
	u32 i;

	for (i = 0; i < count; i++) {
		u32 cpu = ops[i].cpu;

		msr_give_way(i);
		if (!msr_bound_cpu(&cpu) || !cpu_online(cpu) || msr_confine_reaches(current, cpu))
			continue;
		if (allowed && msr_confine_exempts(msr_policy_is_privileged(opened)))
			return true;
		ops[i].err = -EACCES;
		allowed = false;
	}
	return allowed;
}

/* Return: whether all operations can be executed. */
static __always_inline bool check(const struct msr_table *table, struct msr_batch_op *ops,
				  const struct msr_extension *ext, u32 count, unsigned long opened)
{
	const struct msr_index index = table->index;
	bool allowed = true;
	bool writes = false;
	u32 i, n;

	for (i = 0; i < count; i += n) {
		if (i)
			cond_resched();
		n = min_t(u32, count - i, MSR_CHUNK_OPS);
		allowed &= check_chunk(&index, ops + i, ops + i + n, ext ? ext + i : NULL, &writes);
	}
	if (static_branch_unlikely(&msr_confined))
		allowed &= check_own_cpus(ops, count, opened);
	if (!writes || !security_locked_down(LOCKDOWN_MSR))
		return allowed;

	for (i = 0; i < count; i++)
		if (!ops[i].isrdmsr)
			ops[i].err = -EPERM;
	return false;
}

/* Reports the writes that have been executed, with success or not, as the caller's. */
static noinline void trace_writes(const struct msr_batch_op *ops, const struct msr_extension *ext,
				  u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		const struct msr_batch_op *op = &ops[i];

		msr_give_way(i);
		if (!op->isrdmsr && (!op->err || op->err == -EIO))
			trace_msr_safe_write(op->cpu, op->msr, op->msrdata,
					     ext ? op->wmask & ext[i].mask : op->wmask, op->err);
	}
}

/* Compiled twice, so that what extended operations take costs the others nothing */
static __always_inline int enter_and_execute(struct msr_batch_op *ops, struct msr_extension *ext,
					     u32 count, unsigned long opened,
					     const struct msr_exec_mem *mem)
{
	const struct msr_table *table;
	int err = -ESTALE;
	const bool *cut;
	int srcu_idx;

	might_sleep();
	table = msr_policy_enter(opened, &srcu_idx, &cut);
	if (table) {
		bool allowed = check(table, ops, ext, count, opened);

		err = msr_exec(ops, ext, count, cut, mem, msr_policy_is_privileged(opened)) ?:
			      allowed							    ? 0 :
					MSR_HAS_ERRORS;
	}
	msr_policy_exit(srcu_idx);
	if (trace_msr_safe_write_enabled() && err != -ESTALE)
		trace_writes(ops, ext, count);
	return err;
}

static noinline int check_and_execute(struct msr_batch_op *ops, u32 count, unsigned long opened,
				      const struct msr_exec_mem *mem)
{
	return enter_and_execute(ops, NULL, count, opened, mem);
}

/*
 * The short way, for one operation on the caller's CPU: no visit is needed, and the
 * list stays in force while interrupts are off. Compiled twice, so that reads have no step more.
 */
static __always_inline int access_here(struct msr_batch_op *op, unsigned long opened,
				       const bool write)
{
	const struct msr_table *table;

	lockdep_assert_irqs_enabled();
	if (write && security_locked_down(LOCKDOWN_MSR))
		return check_and_execute(op, 1, opened, NULL);

	local_irq_disable();
	if (op->cpu != smp_processor_id() || !msr_confine_reaches_own(op->cpu)) {
		local_irq_enable();
		return check_and_execute(op, 1, opened, NULL);
	}
	table = msr_policy_here(opened);
	if (!table) {
		local_irq_enable();
		return -ESTALE;
	}
	if (check_one(&table->index, op))
		msr_exec_here(op);
	local_irq_enable();
	if (write && trace_msr_safe_write_enabled())
		trace_writes(op, NULL, 1);
	return op->err ? MSR_HAS_ERRORS : 0;
}

static noinline int write_one(struct msr_batch_op *op, unsigned long opened)
{
	return access_here(op, opened, true);
}

/* So often a register is read before the limit of the wait is looked at: a microsecond or two */
#define PROBES_AT_ONCE 16

/* No list has this generation. */
#define NO_LIST ULONG_MAX

enum probe { PROBE_SAME, PROBE_ENDS, PROBE_ELSEWHERE };

/* Return: whether the wait ends: the register differs, or cannot be read, and the operation says.
 */
static __always_inline enum probe probed(const struct msr_batch_op *op, const struct msr_poll *poll)
{
	return op->err || (op->msrdata ^ poll->from) & poll->mask ? PROBE_ENDS : PROBE_SAME;
}

/*
 * One read on this CPU with interrupts off, if it is that of the operation. The list in force is
 * asked, unless it is @allowed, the one that was asked last and allows it. Return: also -ESTALE.
 */
static __always_inline int probe_here(struct msr_batch_op *op, struct msr_extension *ext,
				      const struct msr_poll *poll, unsigned long opened,
				      unsigned long *allowed)
{
	const struct msr_table *table;
	unsigned long generation;

	if (op->cpu != smp_processor_id() || !msr_confine_reaches_own(op->cpu))
		return PROBE_ELSEWHERE;
	table = msr_policy_here(opened);
	if (!table)
		return -ESTALE;
	generation = READ_ONCE(table->generation);
	if (generation != *allowed) {
		if (!check_one(&table->index, op))
			return PROBE_ENDS;
		*allowed = generation;
	}
	if (ext->stamp)
		msr_exec_here_extended(op, ext);
	else
		msr_exec_here(op);
	return probed(op, poll);
}

static int probe_often(struct msr_batch_op *op, struct msr_extension *ext, struct msr_poll *poll,
		       unsigned long opened)
{
	unsigned int left = poll->limit_us ? PROBES_AT_ONCE : 1;
	unsigned long allowed = NO_LIST;
	int result;

	do {
		local_irq_disable();
		result = probe_here(op, ext, poll, opened, &allowed);
		local_irq_enable();
		poll->probes += result != PROBE_ELSEWHERE;
	} while (result == PROBE_SAME && --left && !need_resched());
	return result;
}

static int probe_once(struct msr_batch_op *op, struct msr_extension *ext, struct msr_poll *poll,
		      unsigned long opened)
{
	int err = enter_and_execute(op, ext, 1, opened, NULL);

	poll->probes++;
	return err < 0 ? err : (int)probed(op, poll);
}

static void sleep_between_probes(ktime_t end)
{
	u64 gap = READ_ONCE(poll_gap_us.value) * (u64)NSEC_PER_USEC;
	ktime_t until = min_t(ktime_t, ktime_add_ns(ktime_get(), gap), end);

	set_current_state(TASK_INTERRUPTIBLE);
	schedule_hrtimeout_range(&until, gap / 4, HRTIMER_MODE_ABS);
}

/* Return: 0, and the operation says how the wait ended; -ESTALE or -EINTR. */
static int wait_for_change(struct msr_batch_op *op, struct msr_extension *ext,
			   struct msr_poll *poll, unsigned long opened)
{
	ktime_t end = ktime_add_us(ktime_get(), poll->limit_us);
	int result;

	if (poll->from_now) {
		result = probe_once(op, ext, poll, opened);
		if (result < 0 || op->err)
			return min(result, 0);
		poll->from = op->msrdata;
		if (!poll->limit_us) {
			op->err = -ETIME;
			return 0;
		}
	}
	for (;;) {
		bool here = true;

		result = probe_often(op, ext, poll, opened);
		if (result == PROBE_ELSEWHERE) {
			here = false;
			result = probe_once(op, ext, poll, opened);
		}
		if (result != PROBE_SAME)
			return min(result, 0);
		if (ktime_get() >= end) {
			op->err = -ETIME;
			return 0;
		}
		if (signal_pending(current))
			return -EINTR;
		if (here)
			cond_resched();
		else
			sleep_between_probes(end);
	}
}

/* Extended operations; without a wait if @poll is NULL */
static int wait_and_execute(struct msr_batch_op *ops, struct msr_extension *ext, u32 count,
			    struct msr_poll *poll, unsigned long opened,
			    const struct msr_exec_mem *mem)
{
	int err, rest = 0;
	u32 i;

	if (!poll)
		return enter_and_execute(ops, ext, count, opened, mem);
	err = wait_for_change(ops, ext, poll, opened);
	if (err == -EINTR) {
		for (i = 0; i < count; i++) {
			ops[i].err = -EINTR;
			ops[i].wmask = 0;
		}
	}
	if (err)
		return err;
	if (count > 1)
		rest = enter_and_execute(ops + 1, ext + 1, count - 1, opened, mem);
	return ops->err && !rest ? MSR_HAS_ERRORS : rest;
}

/*
 * Operations of either kind. Memory is allocated first: the writer of a list must not wait for it
 * on a user's behalf.
 */
static noinline int access_large(struct msr_batch_op *ops, struct msr_extension *ext, u32 count,
				 struct msr_poll *poll, unsigned long opened)
{
	struct msr_exec_mem mem;
	int err;

	err = msr_exec_prepare(&mem, ops, count, ext);
	if (err)
		return err;
	err = ext ? wait_and_execute(ops, ext, count, poll, opened, &mem) :
		    check_and_execute(ops, count, opened, &mem);
	msr_exec_release(&mem);
	return err;
}

/**
 * msr_access() - check operations against the allowlist, and execute them
 * @ops:	the operations: @cpu, @isrdmsr, @msr and @msrdata are set; @err, @wmask
 *		and, for a read, @msrdata say what became of each, as in msr_safe.h
 * @count:	number of @ops, 1 to %MSR_BATCH_MAX_OPS
 * @opened:	what msr_access_opened() set when the caller's file was opened
 *
 * The list in force applies to all of them. Those for one CPU are executed in the
 * order of the array. Memory is charged to the caller's memory cgroup.
 *
 * Context: may sleep.
 *
 * Return: 0 if every operation succeeded; %MSR_HAS_ERRORS if not, and @err of each
 * says why; -EINTR for a fatal signal, and operations that were not executed say
 * -EINTR, too; or, with nothing executed and @ops unchanged,
 * -ESTALE	the file was opened under a list that is no longer in force, and the
 *		module is loaded to refuse such files;
 * -ENOMEM	no memory.
 */
int msr_access(struct msr_batch_op *ops, u32 count, unsigned long opened)
{
	if (count == 1)
		return ops->isrdmsr ? access_here(ops, opened, false) : write_one(ops, opened);
	if (count <= MSR_SMALL_BATCH)
		return check_and_execute(ops, count, opened, NULL);
	return access_large(ops, NULL, count, NULL, opened);
}

/**
 * msr_access_extended() - the same for extended operations
 * @ops:	the operations, as for msr_access()
 * @ext:	what each has beside; the time stamps are set of those that were executed
 * @count:	number of @ops and of @ext, 1 to %MSR_BATCH_MAX_OPS
 * @poll:	how to wait first, until the register of the first operation changes; or NULL
 * @opened:	as for msr_access()
 *
 * No list and no lock is held during the wait, and each read is checked again.
 *
 * Context: may sleep. Return: as msr_access(); any signal ends the wait with -EINTR.
 */
int msr_access_extended(struct msr_batch_op *ops, struct msr_extension *ext, u32 count,
			struct msr_poll *poll, unsigned long opened)
{
	if (count <= MSR_SMALL_BATCH)
		return wait_and_execute(ops, ext, count, poll, opened, NULL);
	return access_large(ops, ext, count, poll, opened);
}

/**
 * msr_access_single() - the short way for a program of one read, if the caller is on its CPU
 * @program:	the program, with @single
 * @cut:	as for msr_access_program()
 *
 * Context: may sleep. Return: as msr_program_run_single().
 */
long msr_access_single(const struct msr_program *program, const bool *cut)
{
	return msr_program_run_single(program, cut);
}

/**
 * msr_access_program() - execute accesses that were checked when they were prepared
 * @program:	the program
 * @cut:	set when the list in force no longer allows all of it; nothing is executed
 *		after that and msr_visit_barrier()
 * @opened:	as for msr_access()
 *
 * Context: may sleep. Return: as msr_program_run().
 */
long msr_access_program(struct msr_program *program, const bool *cut, unsigned long opened)
{
	long result;

	program->locked = program->writes && security_locked_down(LOCKDOWN_MSR);
	result = msr_program_run(program, cut, msr_policy_is_privileged(opened));
	if (trace_msr_safe_write_enabled())
		msr_program_trace(program);
	return result;
}
