/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions that a timer executes on each CPU.
 */
#ifndef MSR_SAMPLE_H
#define MSR_SAMPLE_H

#include <linux/compiler.h>
#include <linux/types.h>

struct msr_program;
struct msr_ring;
struct msr_sampler;
struct msr_start;
struct task_struct;

/**
 * struct msr_sampling - how a program is sampled
 * @program:	the program
 * @ring:	what is in front of its records
 * @cut:	set when a list no longer allows all of the program
 * @nr:		its number among all programs that there are, below %MSR_GRANTS_MAX
 * @samplers:	one for each CPU of the program; NULL if it is not to be sampled
 * @starter:	the task that has started it, with a reference; NULL if it is not started
 * @exempt:	whether the starter may reach all CPUs
 * @stopping:	set before the timers are cancelled
 * @period_ns:	from one point of the grid to the next
 * @hold_ns:	sampled on change: the rest after a record; or 0
 */
struct msr_sampling {
	struct msr_program *program;
	struct msr_ring *ring;
	const bool *cut;
	u32 nr;
	struct msr_sampler *samplers;
	struct task_struct *starter;
	bool exempt;
	bool stopping;
	u64 period_ns;
	u64 hold_ns;
};

/** msr_sampling_on() - whether it has been started, and not been stopped since. @sampling: how. */
static inline bool msr_sampling_on(const struct msr_sampling *sampling)
{
	return READ_ONCE(sampling->starter);
}

void msr_sampling_note_time(struct msr_ring *ring);
int msr_sampling_permit(struct msr_sampling *sampling);
void msr_sampling_uninit(struct msr_sampling *sampling);
int msr_sampling_start(struct msr_sampling *sampling, const struct msr_start *start,
		       bool privileged);
void msr_sampling_stop(struct msr_sampling *sampling);

int msr_sample_init(void);
void msr_sample_uninit(void);

#endif /* MSR_SAMPLE_H */
