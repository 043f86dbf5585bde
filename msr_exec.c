// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one place that executes RDMSR and WRMSR, on the CPU they are for.
 *
 * A batch is executed in visits. During a visit a CPU executes, with interrupts off,
 * the operations in its queue until none are left or the visit has lasted long
 * enough; then another visit follows. No lock is held: the caller changes a queue
 * between visits only, and its CPU during a visit only.
 *
 * A CPU has one visitor at a time, so that the visits of many callers do not add up
 * to a long time without interrupts. A caller claims the CPUs that it visits, with
 * preemption off until their visits are on their way. Each CPU releases its own claim
 * at the end of the visit, and the caller waits for that with preemption on. So a CPU
 * that does not answer delays only the callers that want that CPU. A caller that finds
 * a CPU claimed sleeps for about the time of a visit and tries again; a caller that
 * has kept another waiting then sleeps as well, so that each gets a turn.
 *
 * A visit executes nothing if the list that the operations were checked against has
 * been cut, that is, if the writer of a new list no longer waits for them.
 */

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/percpu.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "msr_access.h"
#include "msr_compat.h"
#include "msr_exec.h"
#include "msr_mem.h"
#include "msr_safe.h"

/* The longest time that a visit keeps a CPU from anything else, but for its last operation */
#define VISIT_US 50

/* The most operations in a visit, as a list may let users set the clock that times it back */
#define VISIT_OPS 1024

/* How often to look whether a claimed CPU is free, before sleeping: a microsecond or two */
#define CLAIM_SPINS 64

/* How often to look whether a visit has ended, before sleeping: about the time of one */
#define VISIT_SPINS 1024

#define NO_CPU U32_MAX

/* The operations for one CPU */
struct msr_queue {
	u32 cpu;
	u32 head; /* the next one; exec_run.count when there is none */
	u32 tail; /* the last one; of a program, the number of its CPU in msr_program.cpus */
};

enum run_kind {
	RUN_ALL, /* all operations are in one queue */
	RUN_LINKED,
	RUN_EXTENDED, /* they are linked, too */
	RUN_PROGRAM,
};

/* Operations on their way through their CPUs */
struct exec_run {
	struct msr_batch_op *ops;
	union {
		struct msr_extension *ext; /* of each operation, if they are extended */
		struct msr_program *program; /* instead of ops */
	};
	u32 count;
	u32 queue_mask; /* number of queues, a power of two, less one */
	u32 *next; /* the operation after each in its queue; NULL if all are in one */
	struct msr_queue *queues;
	struct msr_queue *here; /* that of the CPU that the caller is on, or was */
	const bool *cut;
	bool failed;
	bool contended; /* another caller wants some of the CPUs */
	u8 kind; /* enum run_kind */
	call_single_data_t csd; /* of a visit to one CPU */
	atomic_t pending; /* CPUs that are yet to end their visit */
	struct completion ended;
};

/* The time of a visit in cycles; 0, if it is not known, is one operation. */
static u32 visit_cycles __ro_after_init;

/* CPUs to visit; a CPU's own mask is in use while preemption is off on it. */
static struct cpumask __percpu *visit_cpus;

enum msr_claim {
	CLAIM_FREE,
	CLAIM_TAKEN,
	CLAIM_CONTENDED, /* claimed, and another caller is waiting */
};

static DEFINE_PER_CPU(atomic_t, claims);

/* False for a CPU that does not exist; bounds its number for speculative execution, too. */
static bool bound_cpu(u32 *cpu)
{
	if (*cpu >= nr_cpu_ids)
		return false;
	*cpu = array_index_nospec(*cpu, nr_cpu_ids);
	return true;
}

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
static void wait_for_visits(struct exec_run *run)
{
	unsigned int spins = VISIT_SPINS;

	might_sleep();
	while (!completion_done(&run->ended)) {
		if (!spins-- || need_resched()) {
			wait_for_completion(&run->ended);
			return;
		}
		cpu_relax();
	}
}

/* Bits that are clear in the mask get the value that they have in the register. */
static __always_inline int merge(u32 msr, u64 mask, u64 *value)
{
	u64 old;
	int err;

	if (mask == U64_MAX)
		return 0;
	err = rdmsrq_safe(msr, &old);
	*value = (old & ~mask) | (*value & mask);
	return err;
}

static noinline int execute_write(const struct msr_batch_op *op)
{
	u64 value = op->msrdata;

	return merge(op->msr, op->wmask, &value) ?: wrmsrq_safe(op->msr, value);
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
		err = merge(op->msr, op->wmask & ext->mask, &value);
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

/* Is there time for another operation in a visit that began at @start? */
static __always_inline bool time_left(u32 start)
{
	return (u32)rdtsc() - start < visit_cycles;
}

/* The queue of a CPU, or the free one to be its queue: linear probing */
static struct msr_queue *find_queue(const struct exec_run *run, u32 cpu)
{
	u32 slot = cpu & run->queue_mask;

	while (run->queues[slot].cpu != cpu && run->queues[slot].cpu != NO_CPU)
		slot = (slot + 1) & run->queue_mask;
	return &run->queues[slot];
}

/* All operations are in one queue. Return: the next one, for another visit. */
static __always_inline u32 execute_all(struct exec_run *run, u32 head)
{
	struct msr_batch_op *op = run->ops + head;
	struct msr_batch_op *end = run->ops + min(run->count, head + VISIT_OPS);
	u32 start = rdtsc();

	do {
		if (op->err != MSR_NOT_RUN)
			continue;
		op->err = execute(op);
		if (op->err)
			run->failed = true;
	} while (++op < end && time_left(start));
	return op - run->ops;
}

/* The operations in a queue of several. Return: the next one, for another visit. */
static __always_inline u32 execute_linked(struct exec_run *run, u32 head, const bool extended)
{
	struct msr_batch_op *ops = run->ops;
	const u32 *next = run->next;
	u32 left = VISIT_OPS;
	bool failed = false;
	u32 start = rdtsc();

	do {
		ops[head].err = extended ? execute_extended(&ops[head], &run->ext[head]) :
					   execute(&ops[head]);
		if (ops[head].err)
			failed = true;
		head = next[head];
	} while (head < run->count && --left && time_left(start));
	if (failed)
		WRITE_ONCE(run->failed, true);
	return head;
}

static noinline int execute_program_write(const struct msr_program *program,
					  const struct msr_program_op *op, u64 *value)
{
	if (program->locked)
		return -EPERM;
	*value = program->values[op - program->ops];
	return merge(op->msr, op->mask, value) ?: wrmsrq_safe(op->msr, *value);
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
	} while (++op < end && time_left(start));
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

/* Return: the next operation of the queue, for another visit. */
static noinline u32 execute_program(struct msr_program *program, const struct msr_queue *queue)
{
	struct msr_program_cpu *cpu = &program->cpus[queue->tail];
	const struct msr_program_op *op =
		execute_part(program, cpu, program->ops + queue->head, VISIT_OPS);

	return cpu->done ? program->count : op - program->ops;
}

/* On the CPU, interrupts off. There is something to execute. */
static void visit_queue(struct exec_run *run, struct msr_queue *queue)
{
	if (!READ_ONCE(*run->cut)) {
		if (run->kind == RUN_ALL)
			queue->head = execute_all(run, queue->head);
		else if (run->kind == RUN_LINKED)
			queue->head = execute_linked(run, queue->head, false);
		else if (run->kind == RUN_EXTENDED)
			queue->head = execute_linked(run, queue->head, true);
		else
			queue->head = execute_program(run->program, queue);
	}
	release(&run->contended);
}

static void visit_queue_of_other(void *info)
{
	struct exec_run *run = info;

	visit_queue(run, find_queue(run, smp_processor_id()));
	if (atomic_dec_and_test(&run->pending))
		complete(&run->ended);
}

/* Claims all CPUs with something in their queue but the caller's. Return: how many. */
static unsigned int claim_others(struct exec_run *run, struct cpumask *cpus)
{
	unsigned int spins = CLAIM_SPINS;
	unsigned int count = 0;
	u32 i;

	run->here = NULL;
	cpumask_clear(cpus);
	for (i = 0; i <= run->queue_mask; i++) {
		struct msr_queue *queue = &run->queues[i];

		if (queue->head >= run->count)
			continue;
		if (queue->cpu == smp_processor_id()) {
			run->here = queue;
		} else if (!cpu_online(queue->cpu)) {
			queue->head = run->count;
			run->failed = true;
		} else if (claim(queue->cpu, &spins)) {
			cpumask_set_cpu(queue->cpu, cpus);
			count++;
		} else {
			run->contended = true;
		}
	}
	return count;
}

/* Return: how many CPUs are visited; the last completes @run->ended. */
static unsigned int visit_others(struct exec_run *run)
{
	struct cpumask *cpus;
	unsigned int count;

	preempt_disable();
	cpus = this_cpu_ptr(visit_cpus);
	count = claim_others(run, cpus);
	atomic_set(&run->pending, count);
	init_completion(&run->ended);
	/* One alone could wait for what this CPU has last asked of another one. */
	if (count == 1)
		smp_call_function_single_async(cpumask_first(cpus), &run->csd);
	else if (count)
		smp_call_function_many(cpus, visit_queue_of_other, run, false);
	preempt_enable();
	return count;
}

/*
 * The caller's CPU, in a section of its own, so that preemption is not off for longer.
 * If the caller is on another CPU by now, the next round visits this one.
 */
static void visit_here(struct exec_run *run)
{
	unsigned int spins = CLAIM_SPINS;

	preempt_disable();
	if (run->here->cpu == smp_processor_id()) {
		if (claim(run->here->cpu, &spins)) {
			local_irq_disable();
			visit_queue(run, run->here);
			local_irq_enable();
		} else {
			WRITE_ONCE(run->contended, true);
		}
	}
	preempt_enable();
}

/* All CPUs with something in their queue that have no other visitor, at once */
static void visit_many(struct exec_run *run)
{
	unsigned int count = visit_others(run);

	if (run->here)
		visit_here(run);
	if (count)
		wait_for_visits(run);
	back_off(&run->contended);
}

static u32 next_op(const struct exec_run *run, u32 i)
{
	return run->next ? run->next[i] : i + 1;
}

/* Between visits. Return: is there anything to visit a CPU for? */
static bool finish_round(struct exec_run *run)
{
	u32 i;

	for (i = 0; i <= run->queue_mask; i++) {
		struct msr_queue *queue = &run->queues[i];

		while (queue->head < run->count && run->ops[queue->head].err != MSR_NOT_RUN)
			queue->head = next_op(run, queue->head);
		if (queue->head < run->count)
			return true;
	}
	return false;
}

/* What is left is not executed, and says why. */
static int abandon_run(struct exec_run *run, int err)
{
	u32 i, j;

	for (i = 0; i <= run->queue_mask; i++)
		for (j = run->queues[i].head; j < run->count; j = next_op(run, j))
			if (run->ops[j].err == MSR_NOT_RUN)
				run->ops[j].err = err;
	return err == -EINTR ? err : MSR_HAS_ERRORS;
}

static int visit_until_done(struct exec_run *run)
{
	while (finish_round(run)) {
		if (READ_ONCE(*run->cut))
			return abandon_run(run, -ESTALE);
		if (fatal_signal_pending(current))
			return abandon_run(run, -EINTR);
		visit_many(run);
		cond_resched();
	}
	return run->failed ? MSR_HAS_ERRORS : 0;
}

static noinline int exec_on_one(struct msr_batch_op *ops, u32 count, const bool *cut)
{
	struct msr_queue queue = { .cpu = ops->cpu };
	struct exec_run run = {
		.ops = ops,
		.count = count,
		.queues = &queue,
		.cut = cut,
		.csd = { .func = visit_queue_of_other, .info = &run },
	};

	return bound_cpu(&queue.cpu) ? visit_until_done(&run) : MSR_HAS_ERRORS;
}

/* Links the operations that may be executed into a queue for each CPU. */
static void fill_queues(struct exec_run *run)
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
		if (!bound_cpu(&cpu)) {
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

static int exec_on_many(struct msr_batch_op *ops, struct msr_extension *ext, u32 count,
			const bool *cut, u32 *next, struct msr_queue *queues)
{
	struct exec_run run = {
		.ops = ops,
		.ext = ext,
		.kind = ext ? RUN_EXTENDED : RUN_LINKED,
		.count = count,
		.queue_mask = nr_queues_for(count) - 1,
		.next = next,
		.queues = queues,
		.cut = cut,
		.csd = { .func = visit_queue_of_other, .info = &run },
	};

	fill_queues(&run);
	return visit_until_done(&run);
}

static noinline int exec_small_on_many(struct msr_batch_op *ops, struct msr_extension *ext,
				       u32 count, const bool *cut)
{
	struct msr_queue queues[MSR_SMALL_BATCH] __uninitialized;
	u32 next[MSR_SMALL_BATCH] __uninitialized;

	return exec_on_many(ops, ext, count, cut, next, queues);
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
 * @ops:	the operations, of which only @cpu is looked at
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
	u32 nr_queues = nr_queues_for(count);
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
 * @cut:	nothing is executed after this is set and msr_exec_barrier() has
 *		returned; operations that are left say -ESTALE
 * @mem:	from msr_exec_prepare(); NULL for up to %MSR_SMALL_BATCH operations
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
	     const struct msr_exec_mem *mem)
{
	if (mem && mem->queues)
		return exec_on_many(ops, ext, count, cut, mem->next, mem->queues);
	if (!mem && (ext || for_several_cpus(ops, count)))
		return exec_small_on_many(ops, ext, count, cut);
	return exec_on_one(ops, count, cut);
}

/**
 * msr_exec_program_init() - get ready to execute a program
 * @program:	@cpus and @nr_cpus are set; the CPUs are ones that exist
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int msr_exec_program_init(struct msr_program *program)
{
	struct exec_run run = { .queue_mask = nr_queues_for(program->nr_cpus) - 1 };
	u32 i;

	run.queues = kvmalloc_array(run.queue_mask + 1, sizeof(*run.queues), GFP_KERNEL_ACCOUNT);
	if (!run.queues)
		return -ENOMEM;
	for (i = 0; i <= run.queue_mask; i++)
		run.queues[i].cpu = NO_CPU;
	for (i = 0; i < program->nr_cpus; i++) {
		struct msr_queue *queue = find_queue(&run, program->cpus[i].cpu);

		queue->cpu = program->cpus[i].cpu;
		queue->tail = i;
	}
	program->queues = run.queues;
	program->queue_mask = run.queue_mask;
	return 0;
}

/** msr_exec_program_uninit() - undo it. @program: the program. Context: may sleep. */
void msr_exec_program_uninit(struct msr_program *program)
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

		queue->head = queue->cpu == NO_CPU ? program->count :
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
			cpu->stream->offline++;
		}
	}
	return failed;
}

static noinline long visit_for_program(struct msr_program *program, const bool *cut)
{
	struct exec_run run = {
		.program = program,
		.kind = RUN_PROGRAM,
		.count = program->count,
		.queue_mask = program->queue_mask,
		.queues = program->queues,
		.cut = cut,
		.csd = { .func = visit_queue_of_other, .info = &run },
	};

	while (program_has_more(program)) {
		if (READ_ONCE(*cut))
			return -ESTALE;
		if (fatal_signal_pending(current))
			return -EINTR;
		visit_many(&run);
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
 * msr_exec_program() - execute a program once, each operation on its CPU
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
long msr_exec_program(struct msr_program *program, const bool *cut)
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
 * msr_exec_sample() - execute the part of a program that is for this CPU, in one visit
 * @program:	the program, which has no writes
 * @cpu:	this CPU in it
 * @tsc:	the time stamp for the record
 *
 * There is a record in any case. Operations that the visit leaves out say -ETIME.
 *
 * Context: interrupts off. No other task or CPU executes the program.
 */
void msr_exec_sample(const struct msr_program *program, struct msr_program_cpu *cpu, u64 tsc)
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

/**
 * msr_exec_probe() - read a register of this CPU
 * @msr:	its address
 * @value:	set if it can be read
 *
 * Context: interrupts off. Return: 0 or -EIO.
 */
int msr_exec_probe(u32 msr, u64 *value)
{
	lockdep_assert_irqs_disabled();
	return rdmsrq_safe(msr, value);
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
 * msr_exec_barrier() - wait for all sections with interrupts off that have begun
 *
 * Those are visits, and what msr_exec_here() is called in. Each CPU is interrupted once.
 * An RCU grace period would do, too, but a user can delay that: before Linux 6.18, a
 * preemptible kernel stops a task that is out of its cgroup's time in the middle of a
 * read-side section.
 *
 * Context: may sleep. A CPU that does not answer delays the caller.
 */
void msr_exec_barrier(void)
{
	unsigned int cpu;

	might_sleep();
	mutex_lock(&barrier_lock);
	cpus_read_lock(); /* a CPU makes its last visits when it is offline already */
	reinit_completion(&barrier_ended);
	atomic_set(&barrier_pending, num_online_cpus());
	for_each_online_cpu(cpu) {
		call_single_data_t *csd = per_cpu_ptr(&barrier_csd, cpu);

		csd->func = end_barrier;
		smp_call_function_single_async(cpu, csd);
	}
	wait_for_completion(&barrier_ended);
	cpus_read_unlock();
	mutex_unlock(&barrier_lock);
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
