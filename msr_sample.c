// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions that a timer executes on each CPU.
 *
 * Each CPU of a program has a timer of its own, which is started on that CPU and never leaves
 * it. Its callback takes no lock, executes the CPU's part of the program and writes a record.
 * All timers of a program share a grid of points in time. pass_points() counts the points
 * that a timer has passed: so each has a record, or is counted by the cause why it has none.
 *
 * The timers of a CPU are cancelled before it goes offline, since timers of a CPU that dies
 * move to another one. A CPU starts its timers in sections with interrupts off, as it does
 * everything else here, and only while it is accepting them.
 *
 * When a list ends a session, its writer sets the cut, which the callback looks at first.
 */

#include <linux/bsearch.h>
#include <linux/cpu.h>
#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched/isolation.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <asm/tsc.h>

#include "msr_compat.h"
#include "msr_exec.h"
#include "msr_param.h"
#include "msr_program.h"
#include "msr_safe.h"
#include "msr_sample.h"

/* The time over which the share of timers is reckoned, so the length of the longest burst */
#define SHARE_MS 20

/* The most that sample_max_hz can be: one timer with the shortest period */
#define MAX_HZ (NSEC_PER_SEC / MSR_PERIOD_MIN_NS)

static struct msr_param sample_max_hz = { .value = 10000, .max = MAX_HZ };
module_param_cb(sample_max_hz, &msr_param_ops, &sample_max_hz, 0644);
MODULE_PARM_DESC(sample_max_hz,
		 "The most samples a second on a CPU, of all sessions; 0: none (default: 10000)");

static struct msr_param sample_permille = { .value = 50, .max = 1000 };
module_param_cb(sample_permille, &msr_param_ops, &sample_permille, 0644);
MODULE_PARM_DESC(sample_permille,
		 "The share of a CPU that sampling may take, in thousandths (default: 50)");

static bool sample_isolated;
module_param(sample_isolated, bool, 0644);
MODULE_PARM_DESC(sample_isolated, "Permit sampling on nohz_full CPUs (default: 0)");

/* The timer of a CPU */
struct msr_sampler {
	struct hrtimer timer;
	struct msr_sampling *sampling;
	struct msr_program_cpu *cpu;
	bool started; /* by its CPU, with interrupts off */
	bool known; /* on change: last is */
	u32 unseen; /* records since waiters were woken */
	u64 last; /* on change: the value of the first register */
	u64 last_tsc; /* before it was last read without a difference */
	u64 gap_ns; /* the time between the next two reads */
	struct irq_work work; /* wakes waiters */
	call_single_data_t csd; /* starts the timer */
};

/* What timers may take of a CPU, in thousandths of a cycle of its time stamp counter */
struct share {
	u64 reckoned; /* when; the time stamp counter */
	s64 left;
};

static DEFINE_PER_CPU(struct share, shares);

/* Protects what follows; also held with interrupts off by a CPU that starts its timers. */
static DEFINE_RAW_SPINLOCK(started_lock);
static LIST_HEAD(started);
static DEFINE_PER_CPU(u32, rates); /* of all timers, in thousandths of a hertz */

/* Whether a CPU can be given timers; it alone changes it. */
static DEFINE_PER_CPU(bool, accepting);

static enum cpuhp_state cpuhp_state;

static bool may_take(struct share *share, u64 now)
{
	u64 window = (u64)tsc_khz * SHARE_MS;
	u64 passed = min(now - share->reckoned, window);
	u32 permille = READ_ONCE(sample_permille.value);

	share->reckoned = now;
	share->left = min_t(s64, share->left + passed * permille, window * permille);
	return share->left > 0;
}

static void take(struct share *share, u64 start)
{
	share->left -= (rdtsc() - start) * 1000;
}

static void wake_waiters(struct irq_work *work)
{
	struct msr_sampler *sampler = container_of(work, struct msr_sampler, work);
	struct msr_sampling *sampling = sampler->sampling;

	WRITE_ONCE(sampling->ready, 1);
	wake_up(&sampling->wait);
}

static void write_record(struct msr_sampler *sampler, u64 tsc)
{
	struct msr_sampling *sampling = sampler->sampling;

	msr_program_sample(sampling->program, sampler->cpu, tsc);
	if (sampling->wake && ++sampler->unseen >= sampling->wake) {
		sampler->unseen = 0;
		irq_work_queue(&sampler->work);
	}
}

/*
 * Moves the timer to the next point of the grid. Return: how many it has passed until now.
 * hrtimer_forward() would leave the grid where the kernel's timers are coarser than the period.
 */
static u64 pass_points(struct msr_sampler *sampler, ktime_t now)
{
	u64 period_ns = sampler->sampling->period_ns;
	ktime_t expires = hrtimer_get_expires(&sampler->timer);
	u64 points = 1;

	if (now < expires)
		return 0;
	if (unlikely(now - expires >= period_ns))
		points += div64_u64(now - expires, period_ns);
	hrtimer_set_expires(&sampler->timer, ktime_add_ns(expires, points * period_ns));
	return points;
}

static void count(struct msr_program_cpu *cpu, u64 *counter, u64 points)
{
	cpu->tick += points;
	WRITE_ONCE(*counter, *counter + points);
}

/* A point of the grid. Those before it that have not been seen are late. */
static void sample_point(struct msr_sampler *sampler, struct share *share, ktime_t now, u64 tsc)
{
	struct msr_program_cpu *cpu = sampler->cpu;
	u64 points = pass_points(sampler, now);

	if (points > 1)
		count(cpu, &cpu->stream->late, points - 1);
	if (may_take(share, tsc)) {
		write_record(sampler, tsc);
		take(share, tsc);
	} else {
		count(cpu, &cpu->stream->throttled, 1);
	}
}

/* Return: whether the first register of the CPU differs from what it was. */
static bool differs(struct msr_sampler *sampler, u64 tsc)
{
	const struct msr_program *program = sampler->sampling->program;
	u64 value;

	if (msr_exec_probe(program->ops[sampler->cpu->first].msr, &value))
		return false;
	if (sampler->known && value != sampler->last) {
		sampler->last = value;
		return true;
	}
	sampler->known = true;
	sampler->last = value;
	sampler->last_tsc = tsc;
	return false;
}

static void sample_change(struct msr_sampler *sampler, struct share *share, ktime_t now, u64 tsc)
{
	const struct msr_sampling *sampling = sampler->sampling;
	struct msr_program_cpu *cpu = sampler->cpu;
	u64 wait_ns = sampler->gap_ns;

	sampler->gap_ns = min(2 * sampler->gap_ns, sampling->hold_ns);
	if (!may_take(share, tsc)) {
		count(cpu, &cpu->stream->throttled, 1);
	} else if (differs(sampler, tsc)) {
		write_record(sampler, sampler->last_tsc);
		if (!cpu->failed)
			sampler->last = cpu->record->word[sampling->program->stamps];
		sampler->last_tsc = tsc;
		wait_ns = sampling->hold_ns;
		sampler->gap_ns = sampling->period_ns;
		take(share, tsc);
	} else {
		take(share, tsc);
	}
	hrtimer_set_expires(&sampler->timer, ktime_add_ns(now, wait_ns));
}

static enum hrtimer_restart sample(struct hrtimer *timer)
{
	struct msr_sampler *sampler = container_of(timer, struct msr_sampler, timer);
	struct msr_stream *stream = sampler->cpu->stream;
	struct share *share = this_cpu_ptr(&shares);
	ktime_t now = ktime_get();
	u64 tsc = rdtsc();
	u64 late_ns;

	lockdep_assert_irqs_disabled();
	if (READ_ONCE(*sampler->sampling->cut))
		return HRTIMER_NORESTART;

	late_ns = ktime_to_ns(ktime_sub(now, hrtimer_get_expires(timer)));
	if (late_ns > stream->late_max_ns)
		WRITE_ONCE(stream->late_max_ns, late_ns);
	if (sampler->sampling->hold_ns)
		sample_change(sampler, share, now, tsc);
	else
		sample_point(sampler, share, now, tsc);
	return HRTIMER_RESTART;
}

/* On its CPU, interrupts off */
static void start_timer(struct msr_sampler *sampler)
{
	lockdep_assert_irqs_disabled();
	if (sampler->started || !this_cpu_read(accepting) || READ_ONCE(*sampler->sampling->cut))
		return;
	sampler->started = true;
	hrtimer_start_expires(&sampler->timer, MSR_TIMER_MODE);
}

static void end_start(struct msr_sampling *sampling)
{
	if (atomic_dec_and_test(&sampling->pending))
		complete(&sampling->started);
}

static void start_timer_here(void *info)
{
	struct msr_sampler *sampler = info;

	start_timer(sampler);
	end_start(sampler->sampling);
}

/* A CPU that is offline starts its timer when it comes back. */
static void start_timers(struct msr_sampling *sampling)
{
	const struct msr_program *program = sampling->program;
	u32 i;

	reinit_completion(&sampling->started);
	atomic_set(&sampling->pending, program->nr_cpus + 1);
	for (i = 0; i < program->nr_cpus; i++) {
		struct msr_sampler *sampler = &sampling->samplers[i];

		sampler->csd.func = start_timer_here;
		sampler->csd.info = sampler;
		if (smp_call_function_single_async(sampler->cpu->cpu, &sampler->csd))
			end_start(sampling);
	}
	end_start(sampling);
	wait_for_completion(&sampling->started);
}

static int compare_cpu(const void *cpu, const void *sampler)
{
	u32 a = *(const unsigned int *)cpu;
	u32 b = ((const struct msr_sampler *)sampler)->cpu->cpu;

	return a < b ? -1 : a > b;
}

static struct msr_sampler *find_sampler(const struct msr_sampling *sampling, unsigned int cpu)
{
	return bsearch(&cpu, sampling->samplers, sampling->program->nr_cpus,
		       sizeof(*sampling->samplers), compare_cpu);
}

/* Points that the timer has not seen. It does not run. */
static void count_missed(struct msr_sampler *sampler, u64 *counter, ktime_t now)
{
	if (!sampler->sampling->hold_ns)
		count(sampler->cpu, counter, pass_points(sampler, now));
}

static int start_timers_of_cpu(unsigned int cpu)
{
	struct msr_sampling *sampling;
	unsigned long flags;

	raw_spin_lock_irqsave(&started_lock, flags);
	this_cpu_write(accepting, true);
	list_for_each_entry(sampling, &started, node) {
		struct msr_sampler *sampler = find_sampler(sampling, cpu);

		if (sampler && !sampler->started) {
			count_missed(sampler, &sampler->cpu->stream->offline, ktime_get());
			start_timer(sampler);
		}
	}
	raw_spin_unlock_irqrestore(&started_lock, flags);
	return 0;
}

/* No timer of this CPU runs while it has interrupts off, so none is missed. */
static int cancel_timers_of_cpu(unsigned int cpu)
{
	struct msr_sampling *sampling;
	unsigned long flags;

	raw_spin_lock_irqsave(&started_lock, flags);
	this_cpu_write(accepting, false);
	list_for_each_entry(sampling, &started, node) {
		struct msr_sampler *sampler = find_sampler(sampling, cpu);

		if (sampler) {
			hrtimer_try_to_cancel(&sampler->timer);
			sampler->started = false;
		}
	}
	raw_spin_unlock_irqrestore(&started_lock, flags);
	return 0;
}

static void cancel_timers(struct msr_sampling *sampling)
{
	u32 i;

	for (i = 0; i < sampling->program->nr_cpus; i++)
		hrtimer_cancel(&sampling->samplers[i].timer);
}

/**
 * msr_sampling_init() - get ready to be asked about sampling
 * @sampling:	how the program is sampled
 * @program:	the program
 * @cut:	set when a list no longer allows all of it
 */
void msr_sampling_init(struct msr_sampling *sampling, struct msr_program *program, const bool *cut)
{
	*sampling = (struct msr_sampling){ .program = program, .cut = cut };
	INIT_LIST_HEAD(&sampling->node);
	init_waitqueue_head(&sampling->wait);
	init_completion(&sampling->started);
}

/**
 * msr_sampling_permit() - get ready to sample
 * @sampling:	how the program is sampled; the program and the ring are set up
 * @wake:	after how many records of a CPU waiters are woken, or 0
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int msr_sampling_permit(struct msr_sampling *sampling, u32 wake)
{
	const struct msr_program *program = sampling->program;
	u32 i;

	sampling->samplers =
		kvcalloc(program->nr_cpus, sizeof(*sampling->samplers), GFP_KERNEL_ACCOUNT);
	if (!sampling->samplers)
		return -ENOMEM;
	sampling->wake = wake;
	for (i = 0; i < program->nr_cpus; i++) {
		struct msr_sampler *sampler = &sampling->samplers[i];

		hrtimer_setup(&sampler->timer, sample, CLOCK_MONOTONIC, MSR_TIMER_MODE);
		init_irq_work(&sampler->work, wake_waiters);
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

static int check_program(const struct msr_program *program)
{
	u32 i;

	if (program->writes)
		return -EINVAL;
	for (i = 0; i < program->nr_cpus; i++) {
		const struct msr_program_cpu *cpu = &program->cpus[i];

		if (cpu->end - cpu->first > MSR_SAMPLE_MAX_OPS)
			return -E2BIG;
		if (!READ_ONCE(sample_isolated) && !housekeeping_test_cpu(cpu->cpu, HK_TYPE_TICK))
			return -EPERM;
	}
	return 0;
}

/* @first_ns, or if that is past, the next point of its grid */
static u64 first_point(const struct msr_start *start, u64 now)
{
	if (start->first_ns > now)
		return start->first_ns;
	return start->first_ns +
	       (div64_u64(now - start->first_ns, start->period_ns) + 1) * start->period_ns;
}

/* Interrupts are off. */
static void note_time(struct msr_ring *ring)
{
	ring->start_ns = ktime_get_ns();
	ring->start_tsc = rdtsc_ordered();
}

/** msr_sampling_note_time() - what converts time stamps. @ring: set. Context: interrupts on. */
void msr_sampling_note_time(struct msr_ring *ring)
{
	local_irq_disable();
	note_time(ring);
	local_irq_enable();
}

/* Nothing of it has been set if sampling does not begin. */
static void set_grid(struct msr_sampling *sampling, const struct msr_start *start)
{
	struct msr_ring *ring = sampling->ring;
	const u32 nr_cpus = sampling->program->nr_cpus;
	u64 delay = 0;
	u32 i;

	sampling->period_ns = start->period_ns;
	sampling->hold_ns = start->hold_ns;
	note_time(ring);
	WRITE_ONCE(ring->period_ns, start->period_ns);
	ring->first_ns = first_point(start, ring->start_ns);
	ring->stop_ns = 0;
	for (i = 0; i < nr_cpus; i++) {
		struct msr_sampler *sampler = &sampling->samplers[i];

		if (start->flags & MSR_START_STAGGER)
			delay = div_u64(i * start->period_ns, nr_cpus);
		sampler->started = false;
		sampler->known = false;
		sampler->unseen = 0;
		sampler->gap_ns = start->period_ns;
		hrtimer_set_expires(&sampler->timer, ns_to_ktime(ring->first_ns + delay));
	}
}

static void add_rates(const struct msr_sampling *sampling, int sign)
{
	u32 i;

	lockdep_assert_held(&started_lock);
	for (i = 0; i < sampling->program->nr_cpus; i++)
		*per_cpu_ptr(&rates, sampling->program->cpus[i].cpu) += sign * sampling->rate;
}

static bool rates_fit(const struct msr_sampling *sampling)
{
	u32 most = READ_ONCE(sample_max_hz.value) * 1000;
	u32 i;

	for (i = 0; i < sampling->program->nr_cpus; i++)
		if (per_cpu(rates, sampling->program->cpus[i].cpu) + sampling->rate > most)
			return false;
	return true;
}

/* Makes it one of those that are sampled. A CPU that comes online starts its timer. */
static int join(struct msr_sampling *sampling, const struct msr_start *start)
{
	unsigned long flags;
	int err = 0;

	sampling->rate = max_t(u64, div64_u64(NSEC_PER_SEC * 1000, start->period_ns), 1);

	raw_spin_lock_irqsave(&started_lock, flags);
	if (READ_ONCE(*sampling->cut)) {
		err = -ESTALE;
	} else if (!rates_fit(sampling)) {
		err = -EBUSY;
	} else {
		set_grid(sampling, start);
		add_rates(sampling, 1);
		list_add_tail(&sampling->node, &started);
		WRITE_ONCE(sampling->on, true);
		cmpxchg(&sampling->ring->state, MSR_RING_READY, MSR_RING_SAMPLING);
	}
	raw_spin_unlock_irqrestore(&started_lock, flags);
	return err;
}

/* Return: whether it was one of them, so that its timers are the caller's to cancel. */
static bool leave(struct msr_sampling *sampling)
{
	unsigned long flags;
	bool was_on;

	raw_spin_lock_irqsave(&started_lock, flags);
	was_on = msr_sampling_on(sampling);
	if (was_on) {
		add_rates(sampling, -1);
		list_del_init(&sampling->node);
		WRITE_ONCE(sampling->stopping, true);
		WRITE_ONCE(sampling->on, false);
	}
	raw_spin_unlock_irqrestore(&started_lock, flags);
	return was_on;
}

/**
 * msr_sampling_start() - have timers execute the program
 * @sampling:	how; the caller has it for itself
 * @start:	the caller's argument
 *
 * Context: may sleep. Return: 0, or a negative errno as in msr_safe.h.
 */
int msr_sampling_start(struct msr_sampling *sampling, const struct msr_start *start)
{
	int err;

	if (!sampling->samplers)
		return -EPERM;
	if (msr_sampling_on(sampling))
		return -EBUSY;
	err = check_times(start) ?: check_program(sampling->program);
	if (err)
		return err;
	err = join(sampling, start);
	if (err)
		return err;
	start_timers(sampling);
	return 0;
}

/* Cancels the timers, and accounts for each point until now, unless another task does. */
static void stop_sampling(struct msr_sampling *sampling)
{
	struct msr_ring *ring = sampling->ring;
	ktime_t now;
	u32 i;

	if (!leave(sampling))
		return;
	cancel_timers(sampling);
	now = ktime_get();
	for (i = 0; i < sampling->program->nr_cpus; i++) {
		struct msr_sampler *sampler = &sampling->samplers[i];
		struct msr_stream *stream = sampler->cpu->stream;

		count_missed(sampler, sampler->started ? &stream->late : &stream->offline, now);
	}
	WRITE_ONCE(ring->stop_ns, ktime_to_ns(now));
	cmpxchg(&ring->state, MSR_RING_SAMPLING, MSR_RING_READY);
	smp_store_release(&sampling->stopping, false); /* all counters before it */
	wake_up(&sampling->wait);
}

/**
 * msr_sampling_stop() - cancel the timers, and account for each point until now
 * @sampling:	how it is sampled, if it is
 *
 * Context: may sleep. A timer that runs delays the caller for the length of a visit, and a
 * writer of a list that is about to end the session delays it, too.
 *
 * Return: 0 or -EINTR.
 */
int msr_sampling_stop(struct msr_sampling *sampling)
{
	stop_sampling(sampling);
	/* The counters after it */
	return wait_event_killable(sampling->wait, !smp_load_acquire(&sampling->stopping)) ?
		       -EINTR :
		       0;
}

/**
 * msr_sampling_ended() - a list has ended the session, or its last user has
 * @sampling:	how it is sampled, if it is
 *
 * Context: may sleep. Waits for no user.
 */
void msr_sampling_ended(struct msr_sampling *sampling)
{
	stop_sampling(sampling);
	wake_up(&sampling->wait);
}

/** msr_sampling_uninit() - undo msr_sampling_permit(). @sampling: how. Context: may sleep. */
void msr_sampling_uninit(struct msr_sampling *sampling)
{
	u32 i;

	if (!sampling->samplers)
		return;
	stop_sampling(sampling);
	/* Those that a CPU has started while a list ended the session */
	cancel_timers(sampling);
	for (i = 0; i < sampling->program->nr_cpus; i++)
		irq_work_sync(&sampling->samplers[i].work);
	kvfree(sampling->samplers);
}

/**
 * msr_sampling_poll() - serve poll(2)
 * @sampling:	how it is sampled
 * @file:	the caller's
 * @table:	who waits
 *
 * That there are records is reported once.
 *
 * Context: may sleep. Return: a set of events.
 */
__poll_t msr_sampling_poll(struct msr_sampling *sampling, struct file *file, poll_table *table)
{
	__poll_t events = 0;

	poll_wait(file, &sampling->wait, table);
	if (xchg(&sampling->ready, 0))
		events |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(*sampling->cut))
		events |= EPOLLHUP;
	return events;
}

/**
 * msr_sample_init() - get ready to sample
 *
 * Context: may sleep. Return: 0, or a negative errno with nothing left behind.
 */
int __init msr_sample_init(void)
{
	int err = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "msr_safe:sample", start_timers_of_cpu,
				    cancel_timers_of_cpu);

	if (err < 0)
		return err;
	cpuhp_state = err;
	return 0;
}

/** msr_sample_uninit() - undo msr_sample_init(). Context: may sleep. */
void msr_sample_uninit(void)
{
	cpuhp_remove_state(cpuhp_state);
}
