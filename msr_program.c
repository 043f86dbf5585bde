// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs: accesses that were checked once, executed by visits or by a timer. Each CPU writes
 * a record of what it has read.
 */

#include <linux/errno.h>
#include <linux/irqflags.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <asm/msr.h>

#include "msr_access.h"
#include "msr_compat.h"
#include "msr_confine.h"
#include "msr_exec.h"
#include "msr_program.h"
#include "msr_safe.h"
#include "msr_trace.h"
#include "msr_visit.h"

/* So many reads of a sample are made before its time is looked at. */
#define READS_AT_ONCE 8

static noinline int execute_program_write(const struct msr_program *program,
					  const struct msr_program_op *op, u64 *value)
{
	if (program->locked)
		return -EPERM;
	*value = program->values[op - program->ops];
	return msr_exec_merge(op->msr, op->mask, value) ?: wrmsrq_safe(op->msr, *value);
}

/* The words of an operation: its value, or why there is none; with stamps, one on either side */
static __always_inline int execute_program_op(const struct msr_program *program,
					      const struct msr_program_op *op, u64 *words,
					      const bool stamps, const bool writes)
{
	u64 value = 0;
	int err;

	if (stamps)
		*words++ = rdtsc_ordered();
	if (writes && op->write)
		err = execute_program_write(program, op, &value);
	else
		err = rdmsrq_safe(op->msr, &value);
	*words++ = err ? (u64)(s64)err : value;
	if (stamps)
		*words = rdtsc_ordered();
	return err;
}

/* An operation has failed: the bit of its number, behind the words of all of them */
static __always_inline void note_failure(struct msr_program_cpu *cpu, u32 nr, u32 width)
{
	cpu->record->word[(cpu->end - cpu->first) * width + nr / 64] |= 1ULL << nr % 64;
	cpu->record->failed++;
}

/* @first_reads: those of a sample, without a look at the time */
static __always_inline const struct msr_program_op *
execute_program_ops(const struct msr_program *program, struct msr_program_cpu *cpu,
		    const struct msr_program_op *first, const struct msr_program_op *op,
		    const struct msr_program_op *end, u32 start, const bool stamps,
		    const bool first_reads)
{
	const u32 width = stamps ? 3 : 1;
	u64 *words = cpu->record->word + (op - first) * width;

	if (first_reads)
		cpu->record->word[(cpu->end - cpu->first) * width] = 0;
	do {
		if (unlikely(execute_program_op(program, op, words, stamps, !first_reads)))
			note_failure(cpu, op - first, width);
		words += width;
	} while (++op < end && (first_reads || msr_visit_time_left(start)));
	return op;
}

/* Readers see the tick 0, then the record change, then its tick, then the head. */
static __always_inline struct msr_record *begin_record(const struct msr_program *program,
						       const struct msr_stream *stream, u64 tsc)
{
	struct msr_record *record =
		(void *)(stream + 1) +
		(size_t)(stream->head & (program->slots - 1)) * program->record_size;

	WRITE_ONCE(record->tick, 0);
	smp_wmb(); /* the tick 0 before anything else of the record */
	record->tsc = tsc;
	record->failed = 0;
	return record;
}

static __always_inline void end_record(struct msr_program_cpu *cpu, struct msr_record *record,
				       u64 cycles)
{
	struct msr_stream *stream = cpu->stream;

	record->cycles = min_t(u64, cycles, U32_MAX);
	if (cycles > stream->cycles_max)
		stream->cycles_max = cycles;
	smp_wmb(); /* the record before its tick */
	WRITE_ONCE(record->tick, ++cpu->tick);
	smp_store_release(&stream->head, stream->head + 1); /* readers acquire it */
}

static __always_inline void begin_cpu(const struct msr_program *program,
				      struct msr_program_cpu *cpu, u64 tsc)
{
	u32 count = cpu->end - cpu->first;
	u32 values = count * (program->stamps ? 3 : 1);
	u32 i;

	cpu->cycles = 0;
	cpu->record = begin_record(program, cpu->stream, tsc);
	for (i = 0; i < DIV_ROUND_UP(count, 64); i++)
		cpu->record->word[values + i] = 0;
}

/* Return: whether none of the operations of the CPU is left for another visit. */
static __always_inline bool execute_part(const struct msr_program *program,
					 struct msr_program_cpu *cpu, u32 most)
{
	const struct msr_program_op *first = program->ops + cpu->first;
	const struct msr_program_op *op = program->ops + cpu->next;
	const struct msr_program_op *last = program->ops + cpu->end;
	const struct msr_program_op *end = last - op > most ? op + most : last;
	u64 start = rdtsc();

	lockdep_assert_irqs_disabled();
	if (op == first)
		begin_cpu(program, cpu, start);
	if (!program->stamps)
		op = execute_program_ops(program, cpu, first, op, end, start, false, false);
	else
		op = execute_program_ops(program, cpu, first, op, end, start, true, false);
	cpu->cycles += rdtsc() - start;
	cpu->next = op - program->ops;
	if (op < last)
		return false;
	end_record(cpu, cpu->record, cpu->cycles);
	return true;
}

/*
 * Visits of a program. The tail of a queue is the number of its CPU in @program->cpus, and its head
 * is 0 until there is nothing left to do on that CPU.
 */
struct program_visits {
	struct msr_visits visits;
	struct msr_program *program;
	msr_program_fn *function;
	void *data;
};

#define NOTHING_LEFT 1

static u32 visit_program_cpu(struct msr_visits *visits, struct msr_queue *queue)
{
	struct program_visits *call = container_of(visits, struct program_visits, visits);

	return call->function(&call->program->cpus[queue->tail], call->data) ? NOTHING_LEFT : 0;
}

/**
 * msr_program_init() - get ready to execute a program
 * @program:	@cpus and @nr_cpus are set; the CPUs are ones that exist
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int msr_program_init(struct msr_program *program)
{
	u32 nr_queues = msr_nr_queues(program->nr_cpus);
	u32 i;

	program->queues = kvmalloc_array(nr_queues, sizeof(*program->queues), GFP_KERNEL_ACCOUNT);
	if (!program->queues)
		return -ENOMEM;
	program->queue_mask = nr_queues - 1;
	for (i = 0; i < nr_queues; i++)
		program->queues[i].cpu = MSR_NO_CPU;
	for (i = 0; i < program->nr_cpus; i++) {
		u32 cpu = program->cpus[i].cpu;
		struct msr_queue *queue = msr_find_queue(program->queues, program->queue_mask, cpu);

		queue->cpu = cpu;
		queue->tail = i;
	}
	return 0;
}

/** msr_program_uninit() - undo it. @program: the program. Context: may sleep. */
void msr_program_uninit(struct msr_program *program)
{
	kvfree(program->queues);
}

static bool is_left(const struct msr_program *program)
{
	u32 i;

	for (i = 0; i <= program->queue_mask; i++)
		if (program->queues[i].head < NOTHING_LEFT)
			return true;
	return false;
}

/**
 * msr_program_visit() - have each CPU of a program call a function
 * @program:	the program, which no other task visits at the same time
 * @function:	called with interrupts off, in visits to each CPU until it returns true
 * @data:	for the function
 * @cut:	as for msr_exec()
 * @privileged:	as for msr_exec()
 *
 * CPUs that are offline are left out.
 *
 * Context: as for msr_exec(). Return: 0; or -ESTALE, -EINTR or -EACCES, and some of the CPUs may
 * have called it.
 */
int msr_program_visit(struct msr_program *program, msr_program_fn *function, void *data,
		      const bool *cut, bool privileged)
{
	struct program_visits call = {
		.visits = {
			.execute = visit_program_cpu,
			.queues = program->queues,
			.queue_mask = program->queue_mask,
			.end = NOTHING_LEFT,
			.cut = cut,
			.privileged = privileged,
		},
		.program = program,
		.function = function,
		.data = data,
	};
	int err = 0;
	u32 i;

	for (i = 0; i <= program->queue_mask; i++)
		program->queues[i].head = program->queues[i].cpu == MSR_NO_CPU ? NOTHING_LEFT : 0;
	while (!err && is_left(program))
		err = msr_visit_round(&call.visits);
	return err;
}

static void start_program(struct msr_program *program)
{
	u32 i;

	for (i = 0; i < program->nr_cpus; i++)
		program->cpus[i].next = program->cpus[i].first;
}

/*
 * A CPU that has no record counts the run as offline, unless nothing at all has been executed.
 * Return: how many operations failed; or @err.
 */
static long finish_program(struct msr_program *program, int err)
{
	bool begun = !err;
	long failed = 0;
	u32 i;

	for (i = 0; i < program->nr_cpus; i++)
		begun |= program->cpus[i].next > program->cpus[i].first;
	for (i = 0; begun && i < program->nr_cpus; i++) {
		struct msr_program_cpu *cpu = &program->cpus[i];

		if (cpu->next == cpu->end) {
			failed += cpu->record->failed;
		} else {
			failed += cpu->end - cpu->first;
			cpu->tick++;
			WRITE_ONCE(cpu->stream->offline, cpu->stream->offline + 1);
		}
	}
	return err ?: failed;
}

static bool run_part(struct msr_program_cpu *cpu, void *program)
{
	return execute_part(program, cpu, MSR_VISIT_OPS);
}

/*
 * A few operations for the caller's CPU need no claim. They delay the caller alone.
 * Return: whether all of them have been executed.
 */
static noinline bool execute_here(struct msr_program *program, const bool *cut)
{
	struct msr_program_cpu *cpu = program->cpus;
	bool done = false;

	local_irq_disable();
	if (cpu->cpu == smp_processor_id() && msr_confine_reaches_own(cpu->cpu) && !READ_ONCE(*cut))
		done = execute_part(program, cpu, program->count);
	local_irq_enable();
	return done;
}

/**
 * msr_program_run() - execute a program once, each operation on its CPU
 * @program:	the program, which no other task executes at the same time
 * @cut:	as for msr_exec()
 * @privileged:	as for msr_exec()
 *
 * Each CPU writes a record of its values. A CPU that is offline writes none, and that is
 * counted.
 *
 * Context: as for msr_exec().
 *
 * Return: the number of operations that failed; or -ESTALE, -EINTR or -EACCES, and only some CPUs,
 * or none, have written a record.
 */
long msr_program_run(struct msr_program *program, const bool *cut, bool privileged)
{
	long result;

	might_sleep();
	/* Before it is known which CPUs are offline */
	smp_store_mb(program->claimed, true);
	start_program(program);
	if (program->nr_cpus == 1 && program->count <= MSR_SMALL_BATCH &&
	    execute_here(program, cut))
		result = program->cpus->record->failed;
	else
		result = finish_program(program, msr_program_visit(program, run_part, program, cut,
								   privileged));
	smp_store_release(&program->claimed, false); /* after the ticks */
	return result;
}

/**
 * msr_program_run_single() - the same for a program of one read, if the caller is on its CPU
 * @program:	the program, with @single
 * @cut:	as for msr_exec()
 *
 * All of such a program is executed on one CPU with interrupts off, so that takes no lock. What
 * another CPU counts of it is counted while the program is @claimed.
 *
 * Context: interrupts on. Return: the number of operations that failed, or -EAGAIN.
 */
long msr_program_run_single(const struct msr_program *program, const bool *cut)
{
	struct msr_program_cpu *cpu = program->cpus;
	struct msr_record *record;
	u64 start, value;
	int err;

	local_irq_disable();
	/* What other CPUs have counted is acquired with the claim. */
	if (smp_load_acquire(&program->claimed) || cpu->cpu != smp_processor_id() ||
	    !msr_confine_reaches_own(cpu->cpu) || READ_ONCE(*cut)) {
		local_irq_enable();
		return -EAGAIN;
	}
	start = rdtsc();
	record = begin_record(program, cpu->stream, start);
	err = rdmsrq_safe(program->ops->msr, &value);
	record->word[0] = err ? (u64)(s64)err : value;
	record->word[1] = !!err;
	record->failed = !!err;
	end_record(cpu, record, rdtsc() - start);
	local_irq_enable();
	return !!err;
}

/* @nr: an operation that the last run has executed, from the first of the CPU on */
static void trace_write(const struct msr_program *program, const struct msr_program_cpu *cpu,
			u32 nr)
{
	const struct msr_program_op *op = &program->ops[cpu->first + nr];
	const u32 width = program->stamps ? 3 : 1;
	const u64 *words = cpu->record->word;
	bool failed = words[(cpu->end - cpu->first) * width + nr / 64] >> nr % 64 & 1;

	trace_msr_safe_write(cpu->cpu, op->msr, program->values[cpu->first + nr], op->mask,
			     failed ? (int)words[nr * width + width / 2] : 0);
}

/**
 * msr_program_trace() - report the writes that the last run has executed
 * @program:	the program
 *
 * Those before a signal or a cut as well. Context: may sleep.
 */
void msr_program_trace(const struct msr_program *program)
{
	u32 i, nr;

	if (!program->writes || program->locked)
		return;
	for (i = 0; i < program->nr_cpus; i++) {
		const struct msr_program_cpu *cpu = &program->cpus[i];

		for (nr = 0; nr < cpu->next - cpu->first; nr++) {
			msr_give_way(nr);
			if (program->ops[cpu->first + nr].write)
				trace_write(program, cpu, nr);
		}
	}
}

/* The others, while there is time. Those that are left then say so. */
static noinline void read_others(const struct msr_program *program, struct msr_program_cpu *cpu,
				 const struct msr_program_op *op, u32 start)
{
	const struct msr_program_op *first = program->ops + cpu->first;
	const struct msr_program_op *end = program->ops + cpu->end;
	const u32 width = program->stamps ? 3 : 1;

	if (msr_visit_time_left(start))
		op = execute_program_ops(program, cpu, first, op, end, start, program->stamps,
					 false);
	for (; op < end; op++) {
		u64 *words = &cpu->record->word[(op - first) * width];

		memset(words, 0, width * sizeof(*words));
		words[width / 2] = (u64)(s64)-ETIME;
		note_failure(cpu, op - first, width);
	}
}

/**
 * msr_program_sample() - execute the part of a program that is for this CPU, in one visit
 * @program:	the program, which has no writes, and at most %MSR_SAMPLE_MAX_OPS operations of a
 * CPU
 * @cpu:	this CPU in it
 * @tsc:	the time stamp for the record
 * @start:	the time stamp counter when the visit began
 *
 * There is a record in any case. Operations that the visit leaves out say -ETIME.
 *
 * Context: interrupts off. No other task or CPU executes the program.
 */
void msr_program_sample(const struct msr_program *program, struct msr_program_cpu *cpu, u64 tsc,
			u64 start)
{
	const struct msr_program_op *op = program->ops + cpu->first;
	const struct msr_program_op *end = op + min_t(u32, cpu->end - cpu->first, READS_AT_ONCE);

	BUILD_BUG_ON(MSR_SAMPLE_MAX_OPS > 64);
	lockdep_assert_irqs_disabled();
	cpu->record = begin_record(program, cpu->stream, tsc);
	if (!program->stamps)
		execute_program_ops(program, cpu, op, op, end, start, false, true);
	else
		execute_program_ops(program, cpu, op, op, end, start, true, true);
	if (unlikely(cpu->end - cpu->first > READS_AT_ONCE))
		read_others(program, cpu, end, start);
	end_record(cpu, cpu->record, rdtsc() - start);
}
