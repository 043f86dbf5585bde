// SPDX-License-Identifier: GPL-2.0-only
/*
 * The samples that a CPU takes: how many a second, of whom, and until when.
 */

#include <stdatomic.h>

#include "sessions.h"
#include "workers.h"

#define SECOND (1000 * MS)
#define NR_FAST 15

/* Opened by root, for users */
static int device = -1;

/* Records that children have seen */
static atomic_ulong *seen;

static int begin(void **state)
{
	if (!seen)
		seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	atomic_store(seen, 0);
	return load_the_list(state);
}

static int settle(void **state)
{
	(void)state;
	end_workers();
	if (device >= 0)
		close(device);
	device = -1;
	set_online(3, true);
	return set_parameter("sample_max_hz", "10000") || set_parameter("sample_permille", "50");
}

/* How many records there may be in that time, by the parameter, with two seconds in hand */
static uint64_t most_in(uint64_t ns, uint64_t max_hz)
{
	return (ns / SECOND + 2) * max_hz;
}

/* What was counted since then is that of one grid. Returns the records of it. */
static uint64_t stop_exactly(const struct session *session, uint64_t accounted_before,
			     uint64_t head_before)
{
	if (stop_fd(session->fd))
		blame("stop");
	if (accounted(session, 0) - accounted_before != points(session, 0))
		blame("a point that is not counted once");
	return head_of_stream(session, 0) - head_before;
}

static void start_and_stop(void *arg)
{
	struct session *session = arg;

	while (!stopping()) {
		uint64_t before = accounted(session, 0), head = head_of_stream(session, 0);

		if (start_fd(session->fd, MSR_PERIOD_MIN_NS, 0))
			blame("start");
		usleep(200);
		atomic_fetch_add(seen, stop_exactly(session, before, head));
	}
}

static bool map_one_cpu(struct session *session, int fd)
{
	*session = (struct session){ .fd = fd, .len = 8192 };
	session->ring = mmap(NULL, session->len, PROT_READ, MAP_SHARED, fd, 0);
	return fd >= 0 && session->ring != MAP_FAILED;
}

static void prepare_start_and_close(void *arg)
{
	struct session session;

	(void)arg;
	while (!stopping()) {
		if (!map_one_cpu(&session, prepare_by(device, 1, 64)) ||
		    start_fd(session.fd, MSR_PERIOD_MIN_NS, 0)) {
			blame("prepare, mmap or start");
			return;
		}
		usleep(200);
		atomic_fetch_add(seen, stop_exactly(&session, 0, 0));
		end(&session);
	}
}

/* Beside what the child does, another user's session of one sample a second gets its own. */
static void assert_bounded(void (*function)(void *arg), void *arg)
{
	struct session slow = sampler_of(1, 64);
	uint64_t began, took, records;

	must_set("sample_max_hz", "10");
	must_set("sample_permille", "1000");
	began = now_ns();
	start_child(1000, NULL, function, arg);
	assert_int_equal(start_fd(slow.fd, SECOND, 0), 0);
	sleep(12);
	assert_workers_content();
	took = now_ns() - began;
	records = atomic_load(seen) + head_of_stream(&slow, 0);
	assert_exact(&slow, NULL);
	printf("# %lu records of the loop, %lu of %lu of the slow session\n", atomic_load(seen),
	       (unsigned long)head_of_stream(&slow, 0), (unsigned long)points(&slow, 0));
	assert_true(atomic_load(seen) > 0);
	assert_true(records <= most_in(took, 10));
	/* It waits for one slot of the other at most, so a point is lost only if its CPU stalls. */
	assert_true(head_of_stream(&slow, 0) * 4 >= points(&slow, 0) * 3);
	end(&slow);
}

TEST(start_and_stop_in_a_loop_get_no_more_samples_and_take_none_away, begin, settle)
{
	struct session session;

	device = open_as(1000, SAMPLE_PATH);
	assert_true(map_one_cpu(&session, prepare_by(device, 1, 64)));
	assert_bounded(start_and_stop, &session);
	end(&session);
}

TEST(prepare_start_and_close_in_a_loop_get_no_more_samples_and_take_none_away, begin, settle)
{
	device = open_as(1000, SAMPLE_PATH);
	assert_bounded(prepare_start_and_close, NULL);
}

/*
 * A fast session has one slot to come at most, so the slow one waits for 15 of them: by the rate
 * 1.5 ms, by the share the time of 15 samples times 20. Both are far less than its period. Only a
 * CPU that stalls for a second loses it a point.
 */
TEST(fifteen_fast_sessions_leave_a_slow_one_its_samples_and_get_equal_parts, begin, settle)
{
	struct session slow = sampler_of(1, 64), fast[NR_FAST];
	uint64_t least = UINT64_MAX, most = 0, sum = 0, began, took;
	unsigned int i;

	for (i = 0; i < NR_FAST; i++)
		fast[i] = sampler_of(1, 4);
	began = now_ns();
	for (i = 0; i < NR_FAST; i++)
		assert_int_equal(start_fd(fast[i].fd, MSR_PERIOD_MIN_NS, 0), 0);
	assert_int_equal(start_fd(slow.fd, SECOND, 0), 0);
	sleep(12);
	assert_exact(&slow, NULL);
	for (i = 0; i < NR_FAST; i++) {
		assert_exact(&fast[i], NULL);
		sum += head_of_stream(&fast[i], 0);
	}
	took = now_ns() - began;
	for (i = 0; i < NR_FAST; i++) {
		uint64_t head = head_of_stream(&fast[i], 0);

		least = head < least ? head : least;
		most = head > most ? head : most;
		end(&fast[i]);
	}
	printf("# %lu of %lu points of the slow one; %lu to %lu records of the fast ones\n",
	       (unsigned long)head_of_stream(&slow, 0), (unsigned long)points(&slow, 0),
	       (unsigned long)least, (unsigned long)most);
	assert_true(head_of_stream(&slow, 0) * 5 >= points(&slow, 0) * 4);
	assert_true(least > 0 && most <= 3 * least);
	assert_true(sum <= most_in(took, 10000));
	end(&slow);
}

TEST(a_lower_rate_counts_at_once, begin, settle)
{
	struct session session = sampler(2, 4);
	uint64_t heads[2], began, took;
	unsigned int i;

	must_set("sample_permille", "1000");
	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	wait_for_records(&session, 0, 200);
	wait_for_records(&session, 1, 200);
	began = now_ns();
	must_set("sample_max_hz", "10");
	for (i = 0; i < 2; i++)
		heads[i] = head_of_stream(&session, i);
	sleep(3);
	for (i = 0; i < 2; i++) {
		uint64_t head = head_of_stream(&session, i);

		took = now_ns() - began;
		assert_true(head > heads[i]);
		assert_true(head - heads[i] <= most_in(took, 10));
		heads[i] = head;
	}
	/* And a higher one: no slot is further away than one of the lower rate. */
	must_set("sample_max_hz", "10000");
	for (i = 0; i < 2; i++)
		wait_for_records(&session, i, heads[i] + 100);
	assert_exact(&session, NULL);
	for (i = 0; i < 2; i++)
		assert_true(stream_of(&session, i)->throttled > 1000);
	end(&session);
}

static void assert_zero_ends(const char *parameter, const char *value)
{
	struct session session = sampler(4, 64), other = sampler(1, 4);
	uint64_t heads[4];
	unsigned int i;

	must_set("sample_permille", "1000");
	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	for (i = 0; i < 4; i++)
		wait_for_records(&session, i, 2);
	must_set(parameter, "0");
	for (i = 0; i < 4; i++) {
		wait_for_state(&session, i, MSR_STREAM_ENDED);
		heads[i] = head_of_stream(&session, i);
	}
	assert_fails(start_fd(other.fd, MSR_PERIOD_MAX_NS, 0), EPERM);
	assert_fails(start_fd(session.fd, MS, 0), EBUSY);
	assert_int_equal(session.ring->state, MSR_RING_SAMPLING);
	must_set(parameter, value);
	assert_int_equal(start_fd(other.fd, MS, 0), 0);
	wait_for_records(&other, 0, 50);
	for (i = 0; i < 4; i++) {
		assert_int_equal(stream_of(&session, i)->state, MSR_STREAM_ENDED);
		assert_int_equal(head_of_stream(&session, i), heads[i]);
	}
	assert_exact(&session, NULL);
	assert_exact(&other, NULL);
	for (i = 0; i < 4; i++)
		assert_true(stream_of(&session, i)->offline >= 40);
	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	wait_for_records(&session, 3, heads[3] + 1);
	end(&session);
	end(&other);
}

TEST(a_rate_of_0_ends_timers_and_refuses_a_start, begin, settle)
{
	assert_zero_ends("sample_max_hz", "10000");
}

TEST(a_share_of_0_ends_timers_and_refuses_a_start, begin, settle)
{
	assert_zero_ends("sample_permille", "1000");
}

/* What can befall a session between its start and its stop */
static void befall(unsigned int what)
{
	switch (what) {
	case 0:
		must_set("sample_max_hz", "300");
		break;
	case 1:
		must_set("sample_permille", "1");
		break;
	case 2:
		must_set("sample_max_hz", "0");
		break;
	case 3:
		must_set("sample_permille", "0");
		break;
	case 4:
		assert_int_equal(set_online(3, false), 0);
		break;
	case 5:
		load_list("0x402 0\n");
		break;
	}
}

/* Of CPU i of four, the points come i / 4 of the period later. */
TEST(each_point_is_counted_once_also_staggered_whatever_befalls_the_session, begin, settle)
{
	struct msr_start start = { .size = sizeof(start), .flags = MSR_START_STAGGER };
	unsigned int round, i;

	for (round = 0; round < 24; round++) {
		struct session session = sampler(4, 4);

		start.period_ns = 4 * (25000 + 7777 * round);
		assert_int_equal(ioctl(session.fd, MSR_IOC_START, &start), 0);
		usleep(10000 + 1313 * round);
		befall(round % 6);
		usleep(10000 + 777 * round);
		assert_int_equal(stop_fd(session.fd), 0);
		for (i = 0; i < 4; i++)
			assert_int_equal(accounted(&session, i),
					 points(&session, i * start.period_ns / 4));
		end(&session);
		settle(NULL);
		load_the_list(NULL);
	}
}

TEST_PROGRAM(NULL, NULL)
