// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleeps until timers of the kernel have written records.
 *
 * The kernel wakes no reader. A reader knows when the points of the grid are, and sleeps while they
 * fill at most half of the slots.
 *
 * Points are times of the host's CLOCK_MONOTONIC, which a process in a time namespace cannot read.
 * The time stamp counter says how far away they are. A wait reads it once, because the counter can
 * be written, and is set back when the machine sleeps. From then on the wait takes differences of
 * the process's own clock.
 *
 * A record may be late by little, or may never come. If there is none when its point has passed,
 * the next sleep is short, and each further one takes twice as long.
 */

#include <errno.h>
#include <time.h>

#include "libmsrsafe.h"
#include "processor.h"

#define NS_PER_S 1000000000
#define LONGEST_SLEEP_NS 100000000

/* The first sleep after a point without a record is this part of a period. */
#define PART_OF_PERIOD 16

/* What a wait has seen of its readers */
struct sight {
	uint64_t unread; /* of the reader that has most */
	int over; /* 0, or why no record will come: a negative errno */
};

/* Until when to sleep, on the process's own clock */
struct plan {
	bool made;
	uint64_t start_tsc; /* of the sampling that it is for: another thread can start another */
	uint64_t until;
	uint64_t step; /* the last sleep since the points have passed; 0 before */
};

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static bool all_have_ended(const struct msr_safe_ring *readers, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (__atomic_load_n(&readers[i].stream->state, __ATOMIC_ACQUIRE) !=
		    MSR_STREAM_ENDED)
			return false;
	return true;
}

static uint64_t most_unread(const struct msr_safe_ring *readers, uint32_t count)
{
	uint64_t most = 0;
	uint32_t i;

	for (i = 0; i < count; i++) {
		uint64_t head = __atomic_load_n(&readers[i].stream->head, __ATOMIC_ACQUIRE);

		if (head - readers[i].next > most)
			most = head - readers[i].next;
	}
	return most;
}

/*
 * The order matters: a list ends timers, so the ring says why they have ended when they have; and
 * what has ended writes no further record, so heads are loaded last.
 */
static struct sight look(const struct msr_ring *ring, const struct msr_safe_ring *readers,
			 uint32_t count)
{
	bool ended = all_have_ended(readers, count);
	uint32_t state = __atomic_load_n(&ring->state, __ATOMIC_ACQUIRE);
	struct sight sight = { .unread = most_unread(readers, count) };

	if (state == MSR_RING_REVOKED)
		sight.over = -ESTALE;
	else if (state != MSR_RING_SAMPLING || ended)
		sight.over = -ENODATA;
	return sight;
}

/* How long so many records take at least. INT64_MAX is as good as any longer time. */
static uint64_t time_of(const struct msr_ring *ring, uint64_t records)
{
	uint64_t each = ring->hold_ns ? ring->hold_ns : ring->period_ns, all;

	if (__builtin_mul_overflow(records, each, &all))
		return INT64_MAX;
	return least(all, INT64_MAX);
}

/*
 * How long until so many points have passed. That is no longer than their records take, unless the
 * first point is still to come.
 */
static uint64_t time_until(const struct msr_ring *ring, uint64_t points)
{
	uint64_t all = time_of(ring, points), now;

	if (ring->hold_ns || !ring->period_ns)
		return all;
	now = msr_safe_ring_ns(ring, msr_safe_processor_tsc());
	if (now < ring->start_ns) /* the counter was set back */
		return all;
	if (now < ring->first_ns)
		return ring->first_ns - now + all - ring->period_ns;
	return all - (now - ring->first_ns) % ring->period_ns;
}

/* Until the wanted points have passed; then, with nothing to read, step by step */
static void make_plan(struct plan *plan, const struct msr_ring *ring, uint64_t wanted,
		      const struct sight *sight, uint64_t now)
{
	if (!plan->made || plan->start_tsc != ring->start_tsc) {
		*plan = (struct plan){
			.made = true,
			.start_tsc = ring->start_tsc,
			.until = now + time_until(ring, wanted - sight->unread),
		};
	} else if (now >= plan->until) {
		uint64_t first = time_of(ring, 1) / PART_OF_PERIOD;

		plan->step = least(plan->step ? 2 * plan->step : first, time_of(ring, wanted));
		plan->until = now + plan->step;
	}
}

/* Less than a second. Return: 0 or -EINTR. */
static int sleep_ns(uint64_t ns)
{
	const struct timespec time = { .tv_nsec = ns };

	return nanosleep(&time, NULL) ? -errno : 0;
}

int msr_safe_session_wait(const struct msr_safe_session *session,
			  const struct msr_safe_ring *readers, uint32_t count, uint32_t records,
			  int64_t timeout_ns)
{
	const struct msr_ring *ring = session->ring;
	uint64_t wanted = least(records, ring->slots / 2), give_up = UINT64_MAX;
	struct plan plan = { 0 };
	int error = 0;

	if (!count)
		return -EINVAL;
	if (!wanted)
		wanted = 1;
	if (timeout_ns >= 0)
		give_up = now_ns() + timeout_ns;
	while (!error) {
		struct sight sight = look(ring, readers, count);
		uint64_t now = now_ns();
		bool enough = sight.over || now >= give_up || (plan.made && now >= plan.until);

		if (sight.unread >= wanted || (sight.unread && enough))
			return 0;
		if (sight.over)
			return sight.over;
		if (now >= give_up)
			return -ETIMEDOUT;
		make_plan(&plan, ring, wanted, &sight, now);
		error = sleep_ns(least(least(plan.until, give_up) - now, LONGEST_SLEEP_NS));
	}
	return error;
}
