// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr_safe_session_wait() on a mapping that is played: timers that write records at their points,
 * and the clocks of a process in a time namespace. No time passes really.
 */

#include <time.h>

#include "unit.h"

#include "../../lib/libmsrsafe.h"
#include "../../lib/processor.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define HOUR (3600 * SECOND)
#define NEVER UINT64_MAX

#define CPUS 4
#define STREAM_BYTES 4096
#define TSC_KHZ 2000000

/* How far the process's CLOCK_MONOTONIC is behind the host's */
#define NAMESPACE_NS (100000 * SECOND)

static union {
	struct msr_ring ring;
	unsigned char bytes[4096 + CPUS * STREAM_BYTES];
} map;

static struct msr_safe_session session;
static struct msr_safe_ring readers[CPUS];

static struct {
	uint64_t now; /* the host's CLOCK_MONOTONIC */
	double tsc_speed; /* of the time stamp counter, by the host's clock */
	uint64_t tsc_back; /* by how many cycles it was set back */
	uint64_t slack; /* how much longer a sleep takes than was asked for */
	uint64_t late; /* how much later than its point a record is written */
	bool stagger;
	uint64_t every; /* of so many points one has a record, the others are throttled */
	uint64_t records; /* on change: how many there are from when on, each after hold_ns */
	uint64_t change;
	uint64_t signal, revoke, stop, end[CPUS], restart; /* when */
	uint64_t restart_period;
	unsigned int sleeps;
	uint64_t longest; /* sleep that was asked for */
	uint64_t head[CPUS]; /* before the sampling */
} play;

static bool playing;

static struct msr_stream *stream_of(unsigned int nr)
{
	return (struct msr_stream *)(map.bytes + 4096 + nr * STREAM_BYTES);
}

/* How many points of a CPU have a record by then */
static uint64_t records_by(unsigned int nr, uint64_t when)
{
	uint64_t first = map.ring.first_ns + play.late;

	if (play.stagger)
		first += map.ring.period_ns * nr / CPUS;
	if (map.ring.hold_ns) {
		uint64_t passed = when < play.change ? 0 :
						       (when - play.change) / map.ring.hold_ns + 1;

		return passed < play.records ? passed : play.records;
	}
	return when < first ? 0 : ((when - first) / map.ring.period_ns + 1) / play.every;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void write_records(void)
{
	uint64_t over = earliest(play.now, earliest(play.revoke, play.stop));
	unsigned int i;

	if (map.ring.state != MSR_RING_SAMPLING)
		return;
	for (i = 0; i < CPUS; i++)
		stream_of(i)->head = play.head[i] + records_by(i, earliest(over, play.end[i]));
}

static void pass_to(uint64_t when)
{
	unsigned int i;

	play.now = when;
	write_records();
	for (i = 0; i < CPUS; i++)
		if (when >= play.end[i])
			stream_of(i)->state = MSR_STREAM_ENDED;
	if (when >= play.revoke)
		map.ring.state = MSR_RING_REVOKED;
	if (when >= play.stop)
		map.ring.state = MSR_RING_READY;
}

static uint64_t tsc_at(uint64_t when)
{
	return when * (TSC_KHZ / 1e6) * play.tsc_speed - play.tsc_back;
}

uint64_t __wrap_msr_safe_processor_tsc(void);
uint64_t __wrap_msr_safe_processor_tsc(void)
{
	return tsc_at(play.now);
}

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	if (!playing)
		return __real_clock_gettime(clock, time);
	assert_int_equal(clock, CLOCK_MONOTONIC);
	time->tv_sec = (play.now - NAMESPACE_NS) / SECOND;
	time->tv_nsec = (play.now - NAMESPACE_NS) % SECOND;
	return 0;
}

static void begin_grid(uint64_t first_ns, uint64_t period_ns)
{
	unsigned int i;

	for (i = 0; i < CPUS; i++) {
		play.head[i] = stream_of(i)->head;
		stream_of(i)->state = MSR_STREAM_SAMPLING;
	}
	map.ring.state = MSR_RING_SAMPLING;
	map.ring.start_ns = play.now;
	map.ring.start_tsc = tsc_at(play.now);
	map.ring.first_ns = first_ns;
	map.ring.period_ns = period_ns;
	write_records();
}

int __real_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	uint64_t asked, end;

	if (!playing)
		return __real_nanosleep(time, left);
	assert_in_range(time->tv_nsec, 0, SECOND - 1);
	asked = time->tv_sec * SECOND + time->tv_nsec;
	end = play.now + asked + play.slack;
	play.sleeps++;
	assert_true(play.sleeps < 1000000);
	if (asked > play.longest)
		play.longest = asked;
	if (play.signal <= end) {
		pass_to(play.signal);
		play.signal = NEVER;
		errno = EINTR;
		return -1;
	}
	if (play.restart <= end) {
		pass_to(play.restart);
		play.restart = NEVER;
		begin_grid(play.now, play.restart_period);
	}
	pass_to(end);
	return 0;
}

/* A machine that has run for a million seconds, and a session that has not been started */
static void begin(uint32_t slots)
{
	unsigned int i;

	playing = false;
	memset(&map, 0, sizeof(map));
	memset(&play, 0, sizeof(play));
	play.now = 1000000 * SECOND;
	play.tsc_speed = 1;
	play.every = 1;
	play.signal = play.revoke = play.stop = play.restart = NEVER;
	map.ring.size = sizeof(map.ring);
	map.ring.cpus = CPUS;
	map.ring.slots = slots;
	map.ring.record_size = 32;
	map.ring.tsc_khz = TSC_KHZ;
	map.ring.stride = STREAM_BYTES;
	map.ring.start_ns = play.now;
	map.ring.start_tsc = tsc_at(play.now);
	session = (struct msr_safe_session){ .fd = -1, .ring = &map.ring, .map_len = sizeof(map) };
	for (i = 0; i < CPUS; i++) {
		play.end[i] = NEVER;
		stream_of(i)->cpu = i;
		assert_int_equal(msr_safe_ring_init(&readers[i], &map, i), 0);
	}
}

/* A session that has just been started; its first point comes after @first_in. */
static void begin_sampling(uint32_t slots, uint64_t period_ns, uint64_t first_in)
{
	begin(slots);
	begin_grid(play.now + first_in, period_ns);
}

static void begin_on_change(uint32_t slots, uint64_t period_ns, uint64_t hold_ns)
{
	begin(slots);
	map.ring.hold_ns = hold_ns;
	begin_grid(play.now, period_ns);
}

static uint64_t since_start(void)
{
	return play.now - map.ring.start_ns;
}

static uint64_t unread(unsigned int nr)
{
	return stream_of(nr)->head - readers[nr].next;
}

static void read_all(void)
{
	unsigned int i;

	for (i = 0; i < CPUS; i++)
		readers[i].next = stream_of(i)->head;
}

static int wait_for(uint32_t records, int64_t timeout_ns)
{
	int ret;

	playing = true;
	ret = msr_safe_session_wait(&session, readers, CPUS, records, timeout_ns);
	playing = false;
	return ret;
}

static int wait_for_cpu(unsigned int nr, uint32_t records, int64_t timeout_ns)
{
	int ret;

	playing = true;
	ret = msr_safe_session_wait(&session, &readers[nr], 1, records, timeout_ns);
	playing = false;
	return ret;
}

TEST(it_sleeps_once_until_so_many_points_have_passed, NULL, NULL)
{
	begin_sampling(1024, MS, 300 * US);
	assert_int_equal(wait_for(10, -1), 0);
	assert_int_equal(unread(0), 10);
	assert_in_range(since_start(), 9300 * US, 9300 * US + 100);
	assert_int_equal(play.sleeps, 1);
	/* The same from between two points */
	read_all();
	pass_to(play.now + 700 * US);
	assert_int_equal(wait_for(1, -1), 0);
	assert_in_range(since_start(), 10300 * US, 10300 * US + 100);
	assert_int_equal(play.sleeps, 2);
}

TEST(records_that_are_there_shorten_the_wait, NULL, NULL)
{
	begin_sampling(1024, MS, MS);
	pass_to(play.now + 7 * MS);
	assert_int_equal(wait_for(10, -1), 0);
	assert_in_range(since_start(), 10 * MS, 10 * MS + 100);
	assert_int_equal(play.sleeps, 1);
	/* Enough are there. */
	assert_int_equal(wait_for(10, -1), 0);
	assert_int_equal(wait_for(3, -1), 0);
	assert_int_equal(wait_for(0, 0), 0);
	assert_int_equal(play.sleeps, 1);
}

TEST(no_more_than_half_of_the_slots_is_waited_for, NULL, NULL)
{
	begin_sampling(64, MS, MS);
	assert_int_equal(wait_for(33, -1), 0);
	assert_int_equal(unread(0), 32);
	read_all();
	assert_int_equal(wait_for(UINT32_MAX, -1), 0);
	assert_int_equal(unread(0), 32);
	/* Rings that are too small for halves */
	begin_sampling(1, MS, MS);
	assert_int_equal(wait_for(5, -1), 0);
	assert_int_equal(unread(0), 1);
	begin_sampling(2, MS, MS);
	assert_int_equal(wait_for(0, -1), 0);
	assert_int_equal(unread(0), 1);
}

TEST(a_record_of_a_staggered_cpu_is_found_within_a_period, NULL, NULL)
{
	unsigned int nr, rounds;

	begin_sampling(64, 8 * MS, MS);
	play.stagger = true;
	/* The point of all is the first CPU's. */
	assert_int_equal(wait_for(1, -1), 0);
	assert_in_range(since_start(), MS, MS + 100);
	/* The others' first ones come 2, 4 and 6 ms later. */
	assert_int_equal(wait_for_cpu(1, 1, -1), 0);
	assert_in_range(since_start(), 3 * MS, 9 * MS + 100);
	for (nr = 0; nr < CPUS; nr++) {
		for (rounds = 0; rounds < 20; rounds++) {
			readers[nr].next = stream_of(nr)->head;
			play.sleeps = 0;
			assert_int_equal(wait_for_cpu(nr, 1, -1), 0);
			assert_int_equal(unread(nr), 1);
			assert_in_range(play.sleeps, 1, 5);
		}
	}
}

TEST(a_first_point_may_be_far, NULL, NULL)
{
	begin_sampling(64, 10 * US, HOUR);
	assert_int_equal(wait_for(1, -1), 0);
	assert_in_range(since_start(), HOUR, HOUR + 10 * US);
	assert_in_range(play.sleeps, 36000, 36001);
	assert_int_equal(play.longest, 100 * MS);
}

TEST(the_shortest_period_and_the_longest_are_waited_for, NULL, NULL)
{
	unsigned int i;

	begin_sampling(64, MSR_PERIOD_MIN_NS, 0);
	play.slack = 55 * US;
	for (i = 0; i < 1000; i++) {
		read_all();
		assert_int_equal(wait_for(1 + i % 40, -1), 0);
		assert_in_range(unread(0), 1, 64);
	}
	begin_sampling(64, MSR_PERIOD_MAX_NS, 0);
	assert_int_equal(unread(0), 1);
	read_all();
	assert_int_equal(wait_for(1, -1), 0);
	assert_in_range(since_start(), HOUR, HOUR + 100 * MS);
	assert_int_equal(play.longest, 100 * MS);
	/* So many take centuries: their nanoseconds are more than 2^64. */
	begin_sampling(1u << 31, MSR_PERIOD_MAX_NS, HOUR);
	assert_int_equal(wait_for(5124096, 10 * HOUR), 0);
	assert_int_equal(unread(0), 10);
}

TEST(the_timeout_is_kept, NULL, NULL)
{
	begin_sampling(64, HOUR, 1);
	assert_int_equal(wait_for(1, 0), -ETIMEDOUT);
	assert_int_equal(play.sleeps, 0);
	pass_to(play.now + 2);
	read_all();
	assert_int_equal(wait_for(1, SECOND + 50 * MS), -ETIMEDOUT);
	assert_int_equal(since_start(), SECOND + 50 * MS + 2);
	assert_int_equal(play.sleeps, 11);
	/* A timeout that is longer than clocks run */
	play.revoke = play.now + SECOND;
	assert_int_equal(wait_for(1, INT64_MAX), -ESTALE);
}

TEST(at_the_timeout_fewer_records_will_do, NULL, NULL)
{
	begin_sampling(64, MS, MS);
	assert_int_equal(wait_for(30, 5 * MS), 0);
	assert_int_equal(unread(0), 5);
	assert_int_equal(since_start(), 5 * MS);
	/* A timeout of 0 finds them, too. */
	assert_int_equal(wait_for(30, 0), 0);
}

TEST(a_session_that_is_revoked_is_read_to_its_end_and_then_estale, NULL, NULL)
{
	begin_sampling(1024, 10 * MS, 10 * MS);
	play.revoke = play.now + 95 * MS;
	assert_int_equal(wait_for(500, -1), 0);
	assert_int_equal(unread(0), 9);
	assert_in_range(since_start(), 95 * MS, 195 * MS);
	read_all();
	assert_int_equal(wait_for(500, -1), -ESTALE);
	assert_int_equal(wait_for(500, 0), -ESTALE);
	assert_int_equal(play.sleeps, 1);
}

TEST(a_session_that_does_not_sample_is_enodata, NULL, NULL)
{
	begin(64);
	assert_int_equal(wait_for(1, -1), -ENODATA);
	assert_int_equal(play.sleeps, 0);
	/* Stopped in the middle */
	begin_sampling(1024, 10 * MS, 10 * MS);
	play.stop = play.now + 55 * MS;
	assert_int_equal(wait_for(500, -1), 0);
	assert_int_equal(unread(0), 5);
	assert_in_range(since_start(), 55 * MS, 155 * MS);
	read_all();
	assert_int_equal(wait_for(500, -1), -ENODATA);
}

TEST(a_timer_that_has_ended_leaves_the_others, NULL, NULL)
{
	begin_sampling(64, MS, MS);
	play.end[0] = play.end[2] = play.now + 5500 * US;
	assert_int_equal(wait_for(20, -1), 0);
	assert_int_equal(unread(0), 5);
	assert_int_equal(unread(1), 20);
	read_all();
	assert_int_equal(wait_for(20, -1), 0);
	assert_int_equal(unread(0), 0);
	assert_int_equal(unread(3), 20);
	/* A wait for such a CPU alone */
	assert_int_equal(wait_for_cpu(2, 1, -1), -ENODATA);
	assert_int_equal(wait_for_cpu(3, 1, -1), 0);
}

TEST(when_all_timers_have_ended_all_is_read_and_then_enodata, NULL, NULL)
{
	unsigned int i;

	begin_sampling(1024, MS, MS);
	for (i = 0; i < CPUS; i++)
		play.end[i] = play.now + (20 + 10 * i) * MS + 1;
	assert_int_equal(wait_for(400, -1), 0);
	assert_int_equal(unread(3), 50);
	assert_in_range(since_start(), 50 * MS, 150 * MS);
	read_all();
	assert_int_equal(wait_for(400, -1), -ENODATA);
}

TEST(on_change_a_record_is_found_soon_and_none_is_lost, NULL, NULL)
{
	uint64_t found = 0;

	begin_on_change(16, 10 * US, MS);
	play.change = play.now + 10 * SECOND;
	play.records = 1000;
	while (found < 1000) {
		assert_int_equal(wait_for(UINT32_MAX, -1), 0);
		assert_in_range(unread(0), 1, 16);
		/* The first after a long time is not kept waiting longer than eight would take. */
		if (!found)
			assert_in_range(since_start(), 10 * SECOND, 10 * SECOND + 8 * MS);
		found += unread(0);
		read_all();
	}
	/* About one look in 8 ms */
	assert_in_range(play.sleeps, 1250, 1700);
	assert_int_equal(wait_for(1, 100 * MS), -ETIMEDOUT);
}

TEST(on_change_it_waits_as_long_as_the_records_take_at_least, NULL, NULL)
{
	begin_on_change(64, 10 * MS, 20 * MS);
	play.change = play.now + 8 * MS;
	play.records = 1;
	pass_to(play.now + 7 * MS);
	assert_int_equal(wait_for(3, -1), 0);
	assert_int_equal(since_start(), 67 * MS);
	assert_int_equal(unread(0), 1);
}

TEST(a_signal_ends_the_wait, NULL, NULL)
{
	begin_sampling(64, 10 * MS, 10 * MS);
	play.signal = play.now + 25 * MS;
	assert_int_equal(wait_for(20, -1), -EINTR);
	assert_in_range(since_start(), 25 * MS, 25 * MS);
	/* The next wait has the records of both. */
	assert_int_equal(wait_for(20, -1), 0);
	assert_int_equal(unread(0), 20);
}

TEST(points_without_a_record_end_the_wait_if_there_is_one, NULL, NULL)
{
	begin_sampling(64, MS, MS);
	play.every = 4;
	assert_int_equal(wait_for(20, -1), 0);
	assert_int_equal(unread(0), 5);
	assert_in_range(since_start(), 20 * MS, 20 * MS + 100);
	assert_int_equal(play.sleeps, 1);
}

TEST(where_nothing_comes_it_looks_ever_less_often, NULL, NULL)
{
	begin_sampling(64, MS, MS);
	play.every = 10000;
	assert_int_equal(wait_for(1, SECOND), -ETIMEDOUT);
	assert_in_range(play.sleeps, 1000, 1010);
	assert_int_equal(wait_for(1, -1), 0);
	assert_in_range(since_start(), 10 * SECOND, 10 * SECOND + MS);
	begin_sampling(1024, MS, MS);
	play.every = 10000;
	assert_int_equal(wait_for(50, SECOND), -ETIMEDOUT);
	assert_in_range(play.sleeps, 20, 40);
	/* The first look comes soon, for a record that is late by little. */
	begin_sampling(64, 16 * MS, 16 * MS);
	play.late = 500 * US;
	assert_int_equal(wait_for(1, -1), 0);
	assert_in_range(since_start(), 16500 * US, 17 * MS);
	assert_int_equal(play.sleeps, 2);
}

TEST(a_counter_that_runs_at_another_speed_loses_nothing, NULL, NULL)
{
	static const double speeds[] = { 0.9995, 0.99999, 1.00001, 1.0005 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(speeds); i++) {
		begin(64);
		play.tsc_speed = speeds[i];
		begin_grid(play.now, MS);
		/* After a month the clocks are minutes apart. */
		pass_to(play.now + 30 * 24 * HOUR + 123456);
		for (j = 1; j < 100; j++) {
			read_all();
			play.sleeps = 0;
			assert_int_equal(wait_for(j, -1), 0);
			assert_in_range(unread(0), 1, 33);
			assert_in_range(play.sleeps, 1, 6);
		}
	}
}

TEST(a_counter_that_was_set_back_loses_nothing, NULL, NULL)
{
	unsigned int i;

	begin_sampling(64, 10 * US, 10 * US);
	pass_to(play.now + HOUR);
	play.tsc_back = tsc_at(play.now);
	for (i = 0; i < 100; i++) {
		read_all();
		assert_int_equal(wait_for(30, -1), 0);
		assert_in_range(unread(0), 1, 32);
	}
}

TEST(a_session_that_is_started_anew_meanwhile_is_waited_for_at_its_new_rate, NULL, NULL)
{
	begin_sampling(4096, HOUR, HOUR);
	play.restart = play.now + 999500 * US;
	play.restart_period = 10 * US;
	assert_int_equal(wait_for(200, -1), 0);
	assert_in_range(unread(0), 200, 201);
}

TEST(a_reader_that_only_waits_and_reads_loses_no_record, NULL, NULL)
{
	unsigned int seed = 1, i, j;

	for (i = 0; i < 300; i++) {
		uint32_t slots = 1u << (2 + rand_r(&seed) % 10);
		uint64_t period = MSR_PERIOD_MIN_NS << rand_r(&seed) % 16;

		begin_sampling(slots, period, period + rand_r(&seed) % (4 * period));
		play.stagger = rand_r(&seed) % 2;
		play.late = rand_r(&seed) % period;
		play.every = 1 + rand_r(&seed) % 3;
		for (j = 0; j < 100; j++) {
			/* A reader may be late by half of the slots, less one. */
			play.slack = rand_r(&seed) % (1 + period * (slots / 2 - 1));
			read_all();
			assert_int_equal(wait_for(rand_r(&seed), -1), 0);
			assert_true(unread(0) <= slots && unread(3) <= slots);
			assert_true(unread(0) + unread(1) + unread(2) + unread(3) > 0);
		}
	}
}

TEST(without_a_reader_it_is_einval, NULL, NULL)
{
	begin_sampling(64, MS, MS);
	playing = true;
	assert_int_equal(msr_safe_session_wait(&session, readers, 0, 1, -1), -EINVAL);
	playing = false;
}
