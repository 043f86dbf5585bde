/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions that a timer executes on each CPU.
 */
#ifndef MSR_SAMPLE_H
#define MSR_SAMPLE_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/types.h>
#include <linux/wait.h>

struct msr_program;
struct msr_ring;
struct msr_sampler;
struct msr_start;

/**
 * struct msr_sampling - how a program is sampled
 * @node:	among all that are sampled
 * @on:		whether it is one of them
 * @program:	the program
 * @ring:	what is in front of its records
 * @cut:	set when a list no longer allows all of the program
 * @samplers:	one for each CPU of the program; NULL if it is not to be sampled
 * @period_ns:	from one point of the grid to the next
 * @hold_ns:	sampled on change: the rest after a record; or 0
 * @rate:	of the timer of each CPU, in thousandths of a hertz
 * @wake:	number of new records of a CPU that waiters wait for; 0 for no waiters
 * @ready:	there are so many
 * @stopping:	a task has taken it off the list of those that are sampled, and is not done
 * @wait:	who waits for records, or for that
 * @pending:	CPUs that are yet to start their timers, and one for who starts them
 * @started:	all have
 */
struct msr_sampling {
	struct list_head node;
	bool on;
	struct msr_program *program;
	struct msr_ring *ring;
	const bool *cut;
	struct msr_sampler *samplers;
	u64 period_ns;
	u64 hold_ns;
	u32 rate;
	u32 wake;
	int ready;
	bool stopping;
	wait_queue_head_t wait;
	atomic_t pending;
	struct completion started;
};

/** msr_sampling_on() - whether it is sampled. @sampling: how. Context: any but NMIs. */
static inline bool msr_sampling_on(const struct msr_sampling *sampling)
{
	return READ_ONCE(sampling->on);
}

void msr_sampling_init(struct msr_sampling *sampling, struct msr_program *program, const bool *cut);
void msr_sampling_note_time(struct msr_ring *ring);
int msr_sampling_permit(struct msr_sampling *sampling, u32 wake);
void msr_sampling_uninit(struct msr_sampling *sampling);
int msr_sampling_start(struct msr_sampling *sampling, const struct msr_start *start);
int msr_sampling_stop(struct msr_sampling *sampling);
void msr_sampling_ended(struct msr_sampling *sampling);
__poll_t msr_sampling_poll(struct msr_sampling *sampling, struct file *file, poll_table *table);

int msr_sample_init(void);
void msr_sample_uninit(void);

#endif /* MSR_SAMPLE_H */
