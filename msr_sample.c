// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions that a timer executes on each CPU.
 *
 * Each CPU of a program has a timer of its own, which a visit starts on that CPU. Its callback
 * takes no lock, executes the CPU's part of the program and writes a record. All timers of a
 * program share a grid of points in time. A point is counted when it has passed: as a record, or
 * by the cause why it has none.
 *
 * The callback looks first whether it may still sample. If not, or if it finds itself on another
 * CPU, since the timers of a CPU that dies move to another one, its timer ends. Only the tasks of
 * the session start and cancel timers, under its mutex or in its last release, and none is started
 * that has not been cancelled before.
 *
 * Slots bound how often a CPU is interrupted. They are 1/sample_max_hz apart, and a sample, or a
 * look for a change, takes one. A timer that comes before the next free slot takes that slot,
 * and comes again then. So timers that are due at once do not add up to one long interrupt, and
 * a session with a short period cannot starve another: each has one slot to come at most. That
 * slot is kept under the number of the session, also if it is stopped, or closed, and another one
 * has its number: so starting and stopping does not take slots from others.
 *
 * A bucket bounds the time: sample_permille of the CPU's time flows in, for up to WINDOW_NS, and
 * each callback is charged for. While it is empty, the next free slot is the time when it is not.
 * A slot that a timer has waited for is its own, whatever the bucket has by then: so each has its
 * turn, and what they overdraw delays the next ones.
 */

#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "msr_compat.h"
#include "msr_confine.h"
#include "msr_grant.h"
#include "msr_param.h"
#include "msr_program.h"
#include "msr_safe.h"
#include "msr_sample.h"

/* The most that sample_max_hz can be: one timer with the shortest period */
#define MAX_HZ (NSEC_PER_SEC / MSR_PERIOD_MIN_NS)

static struct msr_param sample_max_hz = { .value = 10000, .max = MAX_HZ };
module_param_cb(sample_max_hz, &msr_param_ops, &sample_max_hz, 0644);
MODULE_PARM_DESC(sample_max_hz,
		 "The most samples a second on a CPU, of all sessions; 0: none (default: 10000)");

static struct msr_param sample_permille = { .value = 50, .max = 1000 };
module_param_cb(sample_permille, &msr_param_ops, &sample_permille, 0644);
MODULE_PARM_DESC(sample_permille, "The thousandths of a CPU for sampling; 0: none (default: 50)");

static bool sample_isolated;
module_param(sample_isolated, bool, 0644);
MODULE_PARM_DESC(sample_isolated, "Permit sampling on nohz_full CPUs (default: 0)");

/* The time that the bucket is full for, so the length of the longest burst */
#define WINDOW_NS (20 * NSEC_PER_MSEC)

/* What the way into the callback and out of it takes of a CPU: about a microsecond */
#define INTERRUPT_NS 1000

/* In the bucket, a nanosecond of a CPU is so many units. */
#define UNITS_PER_NS 1000

/* What is left for timers on a CPU. It alone uses it, with interrupts off. */
struct budget {
	u64 refilled_ns;
	s64 units;
	u64 free_ns; /* the next free slot */
	u64 taken_ns; /* when a timer last had one */
	u64 slots_ns[MSR_GRANTS_MAX]; /* by number of a session: its slot, if that is to come */
};

static struct budget __percpu *budgets;

static u32 units_per_cycle __ro_after_init;

/* The timer of a CPU */
struct msr_sampler {
	struct hrtimer timer;
	struct msr_sampling *sampling;
	struct msr_program_cpu *cpu;
	u64 due_ns; /* the next point, or read for a change, that is not counted yet */
	bool isolated; /* its CPU is a nohz_full one */
	u64 last; /* on change: the value of the first register */
	u64 last_tsc; /* before it was last read without a difference; 0 if it has not been read */
	u64 gap_ns; /* the time between the next two reads */
};

/* What flows in is bounded when the bucket is full, not before: debts are paid. */
static void refill(struct budget *budget, u64 now, u32 permille)
{
	u64 passed = min_t(u64, now - budget->refilled_ns, MSR_PERIOD_MAX_NS);

	budget->refilled_ns = now;
	budget->units = min_t(s64, budget->units + passed * permille, WINDOW_NS * permille);
}

/* @start: the time stamp counter, which a list can make writable, at the begin of the callback */
static void charge(struct budget *budget, u64 start)
{
	s64 cycles = min_t(s64, max_t(s64, rdtsc() - start, 0), tsc_khz);

	budget->units -= cycles * units_per_cycle + INTERRUPT_NS * UNITS_PER_NS;
}

/* Return: the next free slot, which is the timer's from now on */
static u64 wait_for_slot(struct budget *budget, u64 *own, u64 now, u32 apart, u32 permille)
{
	u64 slot = budget->units > 0 ? now : now + div_u64(-budget->units, permille) + 1;

	/* After the slots of others, unless they are from when sample_max_hz was lower */
	slot = max(slot, min(budget->free_ns, slot + (u64)MSR_GRANTS_MAX * apart));
	budget->free_ns = slot + apart;
	*own = slot;
	return slot;
}

/* Return: 0 if this is a slot of the timer's, which it takes; or the slot that it waits for. */
static u64 take_slot(struct budget *budget, const struct msr_sampler *sampler, u64 now, u32 max_hz,
		     u32 permille)
{
	u64 expires = hrtimer_get_expires(&sampler->timer);
	u64 *own = &budget->slots_ns[sampler->sampling->nr];
	const u32 apart = (u32)NSEC_PER_SEC / max_hz;
	u64 slot = *own;

	if (unlikely(slot > now))
		return slot;
	*own = 0;
	refill(budget, now, permille);
	if (now - slot >= apart) {
		if (slot && now - budget->taken_ns >= apart)
			slot = now; /* too late for its own, and no other has come */
		else if (likely(budget->units > 0 && budget->free_ns <= now))
			slot = now - max(expires, budget->free_ns) < apart ?
				       max(expires, budget->free_ns) :
				       now;
		else
			return wait_for_slot(budget, own, now, apart, permille);
		budget->free_ns = max(budget->free_ns, slot + apart);
	}
	budget->taken_ns = now;
	return 0;
}

static void count(struct msr_program_cpu *cpu, u64 *counter, u64 points)
{
	cpu->tick += points;
	WRITE_ONCE(*counter, *counter + points);
}

/* How many points there are from the one that is due until before @end */
static u64 points_before(const struct msr_sampler *sampler, u64 end)
{
	if (end <= sampler->due_ns)
		return 0;
	if (sampler->sampling->hold_ns)
		return 1;
	return div64_u64(end - sampler->due_ns - 1, sampler->sampling->period_ns) + 1;
}

/*
 * Counts points that have passed: throttled are those from before the timer was to come, as it
 * waited for a slot then.
 */
static void count_points(struct msr_sampler *sampler, u64 points, u64 *others)
{
	struct msr_program_cpu *cpu = sampler->cpu;
	u64 waited = min(points, points_before(sampler, hrtimer_get_expires(&sampler->timer)));

	count(cpu, &cpu->stream->throttled, waited);
	if (!sampler->sampling->hold_ns)
		count(cpu, others, points - waited);
	sampler->due_ns += points * sampler->sampling->period_ns;
}

/* A point of the grid, and before it perhaps some that are without a record */
static void sample_point(struct msr_sampler *sampler, const struct budget *budget, u64 now, u64 tsc)
{
	u64 period_ns = sampler->sampling->period_ns;
	u64 wait = 0;

	if (unlikely(now - sampler->due_ns >= period_ns))
		count_points(sampler, points_before(sampler, now + 1) - 1,
			     &sampler->cpu->stream->late);
	msr_program_sample(sampler->sampling->program, sampler->cpu, tsc, tsc);
	sampler->due_ns += period_ns;
	if (unlikely(sampler->due_ns < budget->free_ns))
		wait = points_before(sampler, budget->free_ns) * period_ns;
	hrtimer_set_expires(&sampler->timer, sampler->due_ns + wait);
}

/* Return: whether the first register of the CPU differs from what it was. */
static bool differs(struct msr_sampler *sampler, u64 tsc)
{
	const struct msr_program *program = sampler->sampling->program;
	bool changed;
	u64 value;

	if (rdmsrq_safe(program->ops[sampler->cpu->first].msr, &value))
		return false;
	changed = sampler->last_tsc && sampler->last != value;
	sampler->last = value;
	if (!changed)
		sampler->last_tsc = tsc;
	return changed;
}

static noinline void sample_change(struct msr_sampler *sampler, const struct budget *budget,
				   u64 now, u64 tsc)
{
	const struct msr_sampling *sampling = sampler->sampling;
	struct msr_program_cpu *cpu = sampler->cpu;

	count_points(sampler, 1, NULL);
	if (differs(sampler, tsc)) {
		msr_program_sample(sampling->program, cpu, sampler->last_tsc, tsc);
		if (!cpu->record->failed)
			sampler->last = cpu->record->word[sampling->program->stamps];
		sampler->last_tsc = tsc;
		sampler->due_ns = now + sampling->hold_ns;
		sampler->gap_ns = sampling->period_ns;
	} else {
		sampler->due_ns = now + sampler->gap_ns;
		sampler->gap_ns = min(2 * sampler->gap_ns, sampling->hold_ns);
	}
	hrtimer_set_expires(&sampler->timer, max(sampler->due_ns, budget->free_ns));
}

/* Whether the timer of this CPU must not sample, or not any more */
static __always_inline bool has_ended(const struct msr_sampler *sampler)
{
	const struct msr_sampling *sampling = sampler->sampling;
	unsigned int cpu = sampler->cpu->cpu;

	return READ_ONCE(*sampling->cut) || cpu != smp_processor_id() ||
	       (!sampling->exempt && !msr_confine_reaches(sampling->starter, cpu)) ||
	       (sampler->isolated && !READ_ONCE(sample_isolated));
}

static enum hrtimer_restart sample(struct hrtimer *timer)
{
	struct msr_sampler *sampler = container_of(timer, struct msr_sampler, timer);
	const u32 permille = READ_ONCE(sample_permille.value);
	const u32 max_hz = READ_ONCE(sample_max_hz.value);
	struct msr_stream *stream = sampler->cpu->stream;
	struct budget *budget = this_cpu_ptr(budgets);
	u64 expires = hrtimer_get_expires(timer);
	u64 now = ktime_get();
	u64 tsc = rdtsc();
	u64 slot;

	lockdep_assert_irqs_disabled();
	if (READ_ONCE(sampler->sampling->stopping))
		return HRTIMER_NORESTART;
	if (has_ended(sampler) || !permille || !max_hz) {
		WRITE_ONCE(stream->state, MSR_STREAM_ENDED);
		return HRTIMER_NORESTART;
	}

	now = max(now, expires);
	slot = take_slot(budget, sampler, now, max_hz, permille);
	if (now - expires > stream->late_max_ns)
		WRITE_ONCE(stream->late_max_ns, now - expires);
	if (slot)
		hrtimer_set_expires(timer, slot);
	else if (sampler->sampling->hold_ns)
		sample_change(sampler, budget, now, tsc);
	else
		sample_point(sampler, budget, now, tsc);
	charge(budget, tsc);
	return HRTIMER_RESTART;
}

/*
 * In a visit of the timer's CPU. A CPU that is on its way out has given its timers away before it
 * serves its last interrupts.
 */
static bool start_timer(struct msr_program_cpu *cpu, void *data)
{
	struct msr_sampling *sampling = data;
	struct msr_sampler *sampler = &sampling->samplers[cpu - sampling->program->cpus];
	u64 slot = this_cpu_ptr(budgets)->slots_ns[sampling->nr];

	lockdep_assert_irqs_disabled();
	if (!cpu_active(cpu->cpu) || has_ended(sampler))
		return true;
	WRITE_ONCE(cpu->stream->state, MSR_STREAM_SAMPLING);
	hrtimer_set_expires(&sampler->timer, max(sampler->due_ns, slot));
	hrtimer_start_expires(&sampler->timer, MSR_TIMER_MODE);
	return true;
}

/**
 * msr_sampling_permit() - get ready to sample
 * @sampling:	how the program is sampled; @program, @ring, @cut and @nr are set
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int msr_sampling_permit(struct msr_sampling *sampling)
{
	const struct msr_program *program = sampling->program;
	u32 i;

	sampling->samplers =
		kvcalloc(program->nr_cpus, sizeof(*sampling->samplers), GFP_KERNEL_ACCOUNT);
	if (!sampling->samplers)
		return -ENOMEM;
	for (i = 0; i < program->nr_cpus; i++) {
		struct msr_sampler *sampler = &sampling->samplers[i];

		hrtimer_setup(&sampler->timer, sample, CLOCK_MONOTONIC, MSR_TIMER_MODE);
		sampler->sampling = sampling;
		sampler->cpu = &program->cpus[i];
	}
	return 0;
}

static int check_times(const struct msr_start *start)
{
	u64 now = ktime_get_ns();

	if (start->flags & ~MSR_START_STAGGER)
		return -EINVAL;
	if (start->period_ns < MSR_PERIOD_MIN_NS || start->period_ns > MSR_PERIOD_MAX_NS)
		return -EINVAL;
	if (start->hold_ns &&
	    (start->hold_ns < start->period_ns || start->hold_ns > MSR_PERIOD_MAX_NS))
		return -EINVAL;
	return start->first_ns > now + MSR_PERIOD_MAX_NS ? -EINVAL : 0;
}

static int check_program(const struct msr_sampling *sampling)
{
	const struct msr_program *program = sampling->program;
	u32 i;

	if (program->writes)
		return -EINVAL;
	if (!READ_ONCE(sample_max_hz.value) || !READ_ONCE(sample_permille.value))
		return -EPERM;
	for (i = 0; i < program->nr_cpus; i++) {
		const struct msr_program_cpu *cpu = &program->cpus[i];

		if (cpu->end - cpu->first > MSR_SAMPLE_MAX_OPS)
			return -E2BIG;
		if (!sampling->exempt && cpu_online(cpu->cpu) &&
		    !msr_confine_reaches(current, cpu->cpu))
			return -EACCES;
		sampling->samplers[i].isolated = !housekeeping_test_cpu(cpu->cpu, HK_TYPE_TICK);
		if (sampling->samplers[i].isolated && !READ_ONCE(sample_isolated))
			return -EPERM;
	}
	return 0;
}

/** msr_sampling_note_time() - what converts time stamps. @ring: set. Context: interrupts on. */
void msr_sampling_note_time(struct msr_ring *ring)
{
	local_irq_disable();
	ring->start_ns = ktime_get_ns();
	ring->start_tsc = rdtsc_ordered();
	local_irq_enable();
}

/* No timer is started yet: those of CPUs that stay away count as ended. */
static void set_grid(struct msr_sampling *sampling, const struct msr_start *start)
{
	struct msr_ring *ring = sampling->ring;
	const u32 nr_cpus = sampling->program->nr_cpus;
	u64 first_ns = start->first_ns;
	u64 delay = 0;
	u32 i;

	sampling->period_ns = start->period_ns;
	sampling->hold_ns = start->hold_ns;
	msr_sampling_note_time(ring);
	WRITE_ONCE(ring->period_ns, start->period_ns);
	ring->hold_ns = start->hold_ns;
	if (first_ns <= ring->start_ns)
		first_ns += (div64_u64(ring->start_ns - first_ns, start->period_ns) + 1) *
			    start->period_ns;
	ring->first_ns = first_ns;
	ring->stop_ns = 0;
	for (i = 0; i < nr_cpus; i++) {
		struct msr_sampler *sampler = &sampling->samplers[i];

		if (start->flags & MSR_START_STAGGER)
			delay = div_u64(i * start->period_ns, nr_cpus);
		sampler->due_ns = first_ns + delay;
		sampler->last_tsc = 0;
		sampler->gap_ns = start->period_ns;
		hrtimer_set_expires(&sampler->timer, sampler->due_ns);
		WRITE_ONCE(sampler->cpu->stream->state, MSR_STREAM_ENDED);
	}
}

/**
 * msr_sampling_start() - have timers execute the program
 * @sampling:	how; the caller has it for itself
 * @start:	the caller's argument
 * @privileged:	as for msr_confine_exempts()
 *
 * Context: may sleep. Return: 0, or a negative errno as in msr_safe.h.
 */
int msr_sampling_start(struct msr_sampling *sampling, const struct msr_start *start,
		       bool privileged)
{
	int err;

	if (!sampling->samplers)
		return -EPERM;
	if (msr_sampling_on(sampling))
		return -EBUSY;
	sampling->exempt = msr_confine_exempts(privileged);
	err = check_times(start) ?: check_program(sampling);
	if (err)
		return err;
	if (READ_ONCE(*sampling->cut))
		return -ESTALE;

	sampling->stopping = false;
	set_grid(sampling, start);
	WRITE_ONCE(sampling->starter, get_task_struct(current));
	WRITE_ONCE(sampling->program->claimed, true);
	err = msr_program_visit(sampling->program, start_timer, sampling, sampling->cut,
				privileged);
	if (err)
		msr_sampling_stop(sampling);
	else
		cmpxchg(&sampling->ring->state, MSR_RING_READY, MSR_RING_SAMPLING);
	return err;
}

static void cancel_timers(struct msr_sampling *sampling)
{
	u32 i;

	WRITE_ONCE(sampling->stopping, true);
	for (i = 0; i < sampling->program->nr_cpus; i++)
		hrtimer_cancel(&sampling->samplers[i].timer);
	put_task_struct(sampling->starter);
}

/**
 * msr_sampling_stop() - cancel the timers, and account for each point until now
 * @sampling:	how it is sampled, if it is; the caller has it for itself
 *
 * Context: may sleep. A timer that runs delays the caller for the length of a visit.
 */
void msr_sampling_stop(struct msr_sampling *sampling)
{
	struct msr_ring *ring = sampling->ring;
	u64 now;
	u32 i;

	if (!msr_sampling_on(sampling))
		return;
	cancel_timers(sampling);
	now = ktime_get();
	for (i = 0; i < sampling->program->nr_cpus; i++) {
		struct msr_sampler *sampler = &sampling->samplers[i];
		struct msr_stream *stream = sampler->cpu->stream;
		bool ended = stream->state == MSR_STREAM_ENDED;

		count_points(sampler, points_before(sampler, now + 1),
			     ended ? &stream->offline : &stream->late);
		WRITE_ONCE(stream->state, MSR_STREAM_IDLE);
	}
	WRITE_ONCE(ring->stop_ns, now);
	cmpxchg(&ring->state, MSR_RING_SAMPLING, MSR_RING_READY);
	WRITE_ONCE(sampling->starter, NULL);
	smp_store_release(&sampling->program->claimed, false); /* after the ticks */
}

/**
 * msr_sampling_uninit() - undo msr_sampling_permit()
 * @sampling:	how it is sampled, if it is. Its last user does not use it any more.
 *
 * Context: may sleep.
 */
void msr_sampling_uninit(struct msr_sampling *sampling)
{
	if (msr_sampling_on(sampling))
		cancel_timers(sampling);
	kvfree(sampling->samplers);
}

/**
 * msr_sample_init() - get ready to sample
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int __init msr_sample_init(void)
{
	units_per_cycle = DIV_ROUND_UP((u32)USEC_PER_SEC * UNITS_PER_NS, max(tsc_khz, 1U));
	budgets = alloc_percpu(struct budget);
	return budgets ? 0 : -ENOMEM;
}

/** msr_sample_uninit() - undo msr_sample_init(). Context: may sleep. */
void msr_sample_uninit(void)
{
	free_percpu(budgets);
}
