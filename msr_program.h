/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs: accesses that were checked once, executed by visits or by a timer.
 */
#ifndef MSR_PROGRAM_H
#define MSR_PROGRAM_H

#include <linux/types.h>

struct msr_queue;

/**
 * struct msr_program_op - an access that was checked once, to be executed many times
 * @msr:	address of the register
 * @write:	whether to write it
 * @mask:	for a write, the bits to change; for a read 0
 */
struct msr_program_op {
	u32 msr;
	bool write;
	u64 mask;
};

struct msr_stream;
struct msr_record;

/**
 * struct msr_program_cpu - the part of a program that is for one CPU
 * @cpu:	its number
 * @first:	its first operation in &struct msr_program.ops
 * @end:	the index behind its last operation
 * @stream:	where its records are, behind this
 * @record:	the record that is being written
 * @tick:	the number of its last record, or of the last one that could not be written
 * @cycles:	how long its visits have lasted so far
 * @next:	the operation that is executed next, of this run
 */
struct msr_program_cpu {
	u32 cpu;
	u32 first;
	u32 end;
	struct msr_stream *stream;
	struct msr_record *record;
	u64 tick;
	u64 cycles;
	u32 next;
};

/**
 * struct msr_program - accesses that were checked once, to be executed many times
 * @ops:	the operations, by CPU, and for each in the order in which they are executed
 * @count:	number of @ops
 * @cpus:	the CPUs
 * @nr_cpus:	number of @cpus
 * @queues:	set by msr_program_init()
 * @queue_mask:	likewise
 * @values:	for each of @ops, the value to write
 * @slots:	number of records of a CPU, a power of two
 * @record_size: bytes from one record to the next
 * @stamps:	whether a record has time stamps
 * @writes:	whether there is a write among @ops
 * @single:	the only operation is a read, without time stamps
 * @claimed:	a task runs it, or timers do: msr_program_run_single() must not
 * @locked:	writes fail, as the kernel is locked down
 */
struct msr_program {
	const struct msr_program_op *ops;
	u32 count;
	struct msr_program_cpu *cpus;
	u32 nr_cpus;
	struct msr_queue *queues;
	u32 queue_mask;
	const u64 *values;
	u32 slots;
	u32 record_size;
	bool stamps;
	bool writes;
	bool single;
	bool claimed;
	bool locked;
};

int msr_program_init(struct msr_program *program);
void msr_program_uninit(struct msr_program *program);
/* Return: whether nothing is left for another visit. */
typedef bool msr_program_fn(struct msr_program_cpu *cpu, void *data);

int msr_program_visit(struct msr_program *program, msr_program_fn *function, void *data,
		      const bool *cut, bool privileged);
long msr_program_run(struct msr_program *program, const bool *cut, bool privileged);
long msr_program_run_single(const struct msr_program *program, const bool *cut);
void msr_program_trace(const struct msr_program *program);
void msr_program_sample(const struct msr_program *program, struct msr_program_cpu *cpu, u64 tsc,
			u64 start);

#endif /* MSR_PROGRAM_H */
