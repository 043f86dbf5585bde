/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place that executes RDMSR and WRMSR, on the CPU they are for.
 */
#ifndef MSR_EXEC_H
#define MSR_EXEC_H

#include <linux/errno.h>
#include <linux/types.h>

#include "msr_mem.h"

struct msr_batch_op;

/*
 * The error of an operation that may be executed, until it has been executed. Only
 * the CPU that it is for sets another, so an operation for a CPU that is offline
 * keeps the true error.
 */
#define MSR_NOT_RUN (-ENXIO)

struct msr_queue;

/**
 * struct msr_extension - what an extended operation has beside a &struct msr_batch_op
 * @mask:	for a write, the bits to change, as far as the allowlist lets them be
 *		written; the others keep the value that they have in the register
 * @stamp:	whether to take the time stamps
 * @tsc_before:	out: time stamp counter of the CPU just before the instruction
 * @tsc_after:	out: the same just after it
 */
struct msr_extension {
	u64 mask;
	bool stamp;
	u64 tsc_before;
	u64 tsc_after;
};

/**
 * struct msr_exec_mem - memory that executing a batch takes
 * @mem:	the allocation
 * @queues:	the queues of the CPUs; NULL if all operations are for one CPU
 * @next:	for each operation, the next one for its CPU
 */
struct msr_exec_mem {
	struct msr_mem mem;
	struct msr_queue *queues;
	u32 *next;
};

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
 * @failed:	how many of its operations have failed so far
 * @done:	whether all of its operations have been executed
 */
struct msr_program_cpu {
	u32 cpu;
	u32 first;
	u32 end;
	struct msr_stream *stream;
	struct msr_record *record;
	u64 tick;
	u64 cycles;
	u32 failed;
	bool done;
};

/**
 * struct msr_program - accesses that were checked once, to be executed many times
 * @ops:	the operations, by CPU, and for each in the order in which they are executed
 * @count:	number of @ops
 * @cpus:	the CPUs
 * @nr_cpus:	number of @cpus
 * @queues:	set by msr_exec_program_init()
 * @queue_mask:	likewise
 * @values:	for each of @ops, the value to write
 * @slots:	number of records of a CPU, a power of two
 * @record_size: bytes from one record to the next
 * @stamps:	whether a record has time stamps
 * @writes:	whether there is a write among @ops
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
	bool locked;
};

int msr_exec_program_init(struct msr_program *program);
void msr_exec_program_uninit(struct msr_program *program);
long msr_exec_program(struct msr_program *program, const bool *cut);

int msr_exec_prepare(struct msr_exec_mem *mem, const struct msr_batch_op *ops, u32 count,
		     bool extended);
void msr_exec_release(struct msr_exec_mem *mem);
int msr_exec(struct msr_batch_op *ops, struct msr_extension *ext, u32 count, const bool *cut,
	     const struct msr_exec_mem *mem);
void msr_exec_sample(const struct msr_program *program, struct msr_program_cpu *cpu, u64 tsc);
int msr_exec_probe(u32 msr, u64 *value);
void msr_exec_here(struct msr_batch_op *op);
void msr_exec_here_extended(struct msr_batch_op *op, struct msr_extension *ext);
void msr_exec_barrier(void);

int msr_exec_init(void);
void msr_exec_uninit(void);

#endif /* MSR_EXEC_H */
