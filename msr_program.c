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
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <asm/msr.h>

#include "msr_access.h"
#include "msr_compat.h"
#include "msr_exec.h"
#include "msr_program.h"
#include "msr_safe.h"
#include "msr_visit.h"

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
					      const bool stamps)
{
	u64 value = 0;
	int err;

	if (stamps)
		*words++ = rdtsc_ordered();
	if (op->write)
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
	cpu->failed++;
}

static __always_inline const struct msr_program_op *
execute_program_ops(const struct msr_program *program, struct msr_program_cpu *cpu,
		    const struct msr_program_op *op, const struct msr_program_op *end, u32 start,
		    const bool stamps)
{
	const u32 width = stamps ? 3 : 1;
	const struct msr_program_op *first = program->ops + cpu->first;
	u64 *words = cpu->record->word + (op - first) * width;

	do {
		if (execute_program_op(program, op, words, stamps))
			note_failure(cpu, op - first, width);
		words += width;
	} while (++op < end && msr_visit_time_left(start));
	return op;
}

/*
 * Readers see the tick 0, then the record change, then its tick, then the head.
 * @count: the number of operations of the CPU
 */
static __always_inline void begin_record(const struct msr_program *program,
					 struct msr_program_cpu *cpu, u32 count, bool stamps,
					 u64 tsc)
{
	struct msr_stream *stream = cpu->stream;
	u32 values = count * (stamps ? 3 : 1);
	u32 i;

	cpu->record = (void *)(stream + 1) +
		      (size_t)(stream->head & (program->slots - 1)) * program->record_size;
	cpu->cycles = 0;
	cpu->failed = 0;
	WRITE_ONCE(cpu->record->tick, 0);
	smp_wmb(); /* the tick 0 before anything else of the record */
	for (i = 0; i < DIV_ROUND_UP(count, 64); i++)
		cpu->record->word[values + i] = 0;
	cpu->record->tsc = tsc;
}

static __always_inline void end_record(struct msr_program_cpu *cpu)
{
	struct msr_stream *stream = cpu->stream;
	struct msr_record *record = cpu->record;

	record->cycles = min_t(u64, cpu->cycles, U32_MAX);
	record->failed = cpu->failed;
	if (cpu->cycles > stream->cycles_max)
		stream->cycles_max = cpu->cycles;
	smp_wmb(); /* the record before its tick */
	cpu->tick++;
	WRITE_ONCE(record->tick, cpu->tick);
	smp_store_release(&stream->head, stream->head + 1); /* readers acquire it */
	cpu->done = true;
}

/* Return: the next operation, for another visit; cpu->end of the program if none is left. */
static __always_inline const struct msr_program_op *execute_part(const struct msr_program *program,
								 struct msr_program_cpu *cpu,
								 const struct msr_program_op *op,
								 u32 most)
{
	const struct msr_program_op *last = program->ops + cpu->end;
	const struct msr_program_op *end = last - op > most ? op + most : last;
	u64 start = rdtsc();

	lockdep_assert_irqs_disabled();
	if (op == program->ops + cpu->first)
		begin_record(program, cpu, cpu->end - cpu->first, program->stamps, start);
	if (!program->stamps)
		op = execute_program_ops(program, cpu, op, end, start, false);
	else
		op = execute_program_ops(program, cpu, op, end, start, true);
	cpu->cycles += rdtsc() - start;
	if (op == last)
		end_record(cpu);
	return op;
}

/* The only operation of a program without time stamps, which needs no loop */
static __always_inline void execute_single(const struct msr_program *program,
					   struct msr_program_cpu *cpu)
{
	u64 start = rdtsc();

	lockdep_assert_irqs_disabled();
	begin_record(program, cpu, 1, false, start);
	if (execute_program_op(program, program->ops, cpu->record->word, false))
		note_failure(cpu, 0, 1);
	cpu->cycles = rdtsc() - start;
	end_record(cpu);
}

/* Visits of a program; the tail of a queue is the number of its CPU in @program->cpus. */
struct program_run {
	struct msr_visits visits;
	struct msr_program *program;
};

/* Return: the next operation of the queue, for another visit. */
static u32 execute_program(struct msr_visits *visits, struct msr_queue *queue)
{
	struct msr_program *program = container_of(visits, struct program_run, visits)->program;
	struct msr_program_cpu *cpu = &program->cpus[queue->tail];
	const struct msr_program_op *op =
		execute_part(program, cpu, program->ops + queue->head, MSR_VISIT_OPS);

	return cpu->done ? program->count : op - program->ops;
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

static void start_program(struct msr_program *program)
{
	u32 i;

	for (i = 0; i < program->nr_cpus; i++)
		program->cpus[i].done = false;
	for (i = 0; i <= program->queue_mask; i++) {
		struct msr_queue *queue = &program->queues[i];

		queue->head = queue->cpu == MSR_NO_CPU ? program->count :
							 program->cpus[queue->tail].first;
	}
}

static bool program_has_more(const struct msr_program *program)
{
	u32 i;

	for (i = 0; i <= program->queue_mask; i++)
		if (program->queues[i].head < program->count)
			return true;
	return false;
}

/* A CPU that is offline has no record. Return: how many operations failed. */
static long finish_program(struct msr_program *program)
{
	long failed = 0;
	u32 i;

	for (i = 0; i < program->nr_cpus; i++) {
		struct msr_program_cpu *cpu = &program->cpus[i];

		if (cpu->done) {
			failed += cpu->failed;
		} else {
			failed += cpu->end - cpu->first;
			cpu->tick++;
			WRITE_ONCE(cpu->stream->offline, cpu->stream->offline + 1);
		}
	}
	return failed;
}

static noinline long visit_for_program(struct msr_program *program, const bool *cut)
{
	struct program_run run = {
		.visits = {
			.execute = execute_program,
			.queues = program->queues,
			.queue_mask = program->queue_mask,
			.end = program->count,
			.cut = cut,
		},
		.program = program,
	};

	while (program_has_more(program)) {
		if (READ_ONCE(*cut))
			return -ESTALE;
		if (fatal_signal_pending(current))
			return -EINTR;
		msr_visit_all(&run.visits);
		cond_resched();
	}
	return finish_program(program);
}

/*
 * A few operations for the caller's CPU need no claim. They delay the caller alone.
 * Return: whether they have been executed, or where to go on has been set.
 */
static noinline bool execute_here(struct msr_program *program, const bool *cut)
{
	struct msr_program_cpu *cpu = program->cpus;
	const struct msr_program_op *op;

	local_irq_disable();
	if (cpu->cpu != smp_processor_id() || READ_ONCE(*cut)) {
		local_irq_enable();
		start_program(program);
		return false;
	}
	op = execute_part(program, cpu, program->ops, program->count);
	local_irq_enable();
	if (op == program->ops + program->count)
		return true;
	start_program(program);
	program->queues->head = op - program->ops;
	return false;
}

static noinline long execute_anywhere(struct msr_program *program, const bool *cut)
{
	if (program->nr_cpus > 1 || program->count > MSR_SMALL_BATCH)
		start_program(program);
	else if (execute_here(program, cut))
		return program->cpus->failed;
	return visit_for_program(program, cut);
}

/**
 * msr_program_run() - execute a program once, each operation on its CPU
 * @program:	the program, which no other task executes at the same time
 * @cut:	as for msr_exec()
 *
 * Each CPU writes a record of its values. A CPU that is offline writes none, and that is
 * counted.
 *
 * Context: as for msr_exec().
 *
 * Return: the number of operations that failed; or -ESTALE, -EINTR, and only some CPUs
 * have written a record.
 */
long msr_program_run(struct msr_program *program, const bool *cut)
{
	struct msr_program_cpu *cpu = program->cpus;

	if (program->count > 1 || program->stamps)
		return execute_anywhere(program, cut);
	local_irq_disable();
	if (cpu->cpu != smp_processor_id() || READ_ONCE(*cut)) {
		local_irq_enable();
		return execute_anywhere(program, cut);
	}
	execute_single(program, cpu);
	local_irq_enable();
	return cpu->failed;
}

/* There was no time for what is left of a sample. */
static void leave_out(const struct msr_program *program, struct msr_program_cpu *cpu, u32 nr)
{
	const u32 width = program->stamps ? 3 : 1;

	for (; nr < cpu->end - cpu->first; nr++) {
		u64 *words = &cpu->record->word[nr * width];

		memset(words, 0, width * sizeof(*words));
		words[width / 2] = (u64)(s64)-ETIME;
		note_failure(cpu, nr, width);
	}
}

/**
 * msr_program_sample() - execute the part of a program that is for this CPU, in one visit
 * @program:	the program, which has no writes
 * @cpu:	this CPU in it
 * @tsc:	the time stamp for the record
 *
 * There is a record in any case. Operations that the visit leaves out say -ETIME.
 *
 * Context: interrupts off. No other task or CPU executes the program.
 */
void msr_program_sample(const struct msr_program *program, struct msr_program_cpu *cpu, u64 tsc)
{
	const struct msr_program_op *first = program->ops + cpu->first;
	const struct msr_program_op *end = program->ops + cpu->end;
	const struct msr_program_op *op;
	u64 start = rdtsc();

	lockdep_assert_irqs_disabled();
	begin_record(program, cpu, cpu->end - cpu->first, program->stamps, tsc);
	if (!program->stamps)
		op = execute_program_ops(program, cpu, first, end, start, false);
	else
		op = execute_program_ops(program, cpu, first, end, start, true);
	if (op < end)
		leave_out(program, cpu, op - first);
	cpu->cycles = rdtsc() - start;
	end_record(cpu);
}
