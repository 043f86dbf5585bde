/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Visits: executing on other CPUs what is queued for them.
 */
#ifndef MSR_VISIT_H
#define MSR_VISIT_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/nospec.h>
#include <linux/smp.h>
#include <linux/types.h>
#include <asm/msr.h>

/* The most operations in a visit, as a list may let users set the clock that times it back */
#define MSR_VISIT_OPS 1024

/* The CPU of a queue that is not in use */
#define MSR_NO_CPU U32_MAX

/**
 * struct msr_queue - what is to be executed on one CPU
 * @cpu:	its number, or %MSR_NO_CPU
 * @head:	the next operation, or &struct msr_visits.end when there is none
 * @tail:	of the owner's
 */
struct msr_queue {
	u32 cpu;
	u32 head;
	u32 tail;
};

/**
 * struct msr_visits - visits to CPUs, until all queues are empty
 * @execute:	executes what there is time for; returns the next operation. On the CPU of
 *		the queue, interrupts off.
 * @queues:	the queues, a hash table by CPU
 * @queue_mask:	number of @queues, a power of two, less one
 * @end:	the head of a queue that is empty
 * @cut:	nothing is executed when this is set
 * @privileged:	as for msr_confine_exempts()
 * @failed:	a CPU is offline; the owner can set it for other failures
 * @here:	the queue of the CPU that the caller is on, or was
 * @contended:	another caller wants some of the CPUs
 * @csd:	of a visit to one CPU
 * @pending:	CPUs that are yet to end their visit
 * @ended:	all have
 */
struct msr_visits {
	u32 (*execute)(struct msr_visits *visits, struct msr_queue *queue);
	struct msr_queue *queues;
	u32 queue_mask;
	u32 end;
	const bool *cut;
	bool privileged;
	bool failed;
	bool contended;
	struct msr_queue *here;
	call_single_data_t csd;
	atomic_t pending;
	struct completion ended;
};

/* The time of a visit in cycles; 0, if it is not known, is one operation. */
extern u32 msr_visit_cycles;

/** msr_visit_time_left() - is there time for another operation? @start: of the visit, rdtsc(). */
static __always_inline bool msr_visit_time_left(u32 start)
{
	return (u32)rdtsc() - start < msr_visit_cycles;
}

/** msr_bound_cpu() - false for a CPU that does not exist. @cpu: bounded for speculation, too. */
static inline bool msr_bound_cpu(u32 *cpu)
{
	if (*cpu >= nr_cpu_ids)
		return false;
	*cpu = array_index_nospec(*cpu, nr_cpu_ids);
	return true;
}

/** msr_nr_queues() - how many queues there are to be. @count: of operations, or CPUs. */
static inline u32 msr_nr_queues(u32 count)
{
	return roundup_pow_of_two(min(count, nr_cpu_ids));
}

/**
 * msr_find_queue() - the queue of a CPU, or the free one to be its queue
 * @queues:	a hash table with room for all CPUs
 * @queue_mask:	their number less one
 * @cpu:	the CPU
 *
 * Linear probing.
 */
static inline struct msr_queue *msr_find_queue(struct msr_queue *queues, u32 queue_mask, u32 cpu)
{
	u32 slot = cpu & queue_mask;

	while (queues[slot].cpu != cpu && queues[slot].cpu != MSR_NO_CPU)
		slot = (slot + 1) & queue_mask;
	return &queues[slot];
}

int msr_visit_round(struct msr_visits *visits);
void msr_visit_barrier(void);

int msr_visit_init(void);
void msr_visit_uninit(void);

#endif /* MSR_VISIT_H */
