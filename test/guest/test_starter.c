// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may sample which CPUs while they are sampled: with own_cpus_only, timers need the thread
 * that started them, and its right to their CPU.
 */

#include <sched.h>

#include "sessions.h"
#include "workers.h"

#define CGROUP "/sys/fs/cgroup/starter"
#define PERIOD (2 * MS)

/* Of all four CPUs; children start it */
static struct session session;

static atomic_bool *started;

static void allow_cpus(pid_t pid, unsigned int first, unsigned int last)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (; first <= last; first++)
		CPU_SET(first, &set);
	assert_int_equal(sched_setaffinity(pid, sizeof(set), &set), 0);
}

static int begin(void **state)
{
	if (!started)
		started =
			mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	atomic_store(started, false);
	if (load_the_list(state))
		return -1;
	session = sampler(4, 64);
	return set_parameter("sample_permille", "1000");
}

static int begin_confined(void **state)
{
	return begin(state) || set_parameter("own_cpus_only", "1");
}

static int settle(void **state)
{
	(void)state;
	end_workers();
	end(&session);
	allow_cpus(0, 0, 3);
	rmdir(CGROUP);
	return set_parameter("own_cpus_only", "0") || set_parameter("sample_permille", "50");
}

static void start(void)
{
	if (start_fd(session.fd, PERIOD, 0))
		blame("a user cannot start the session");
	atomic_store(started, true);
}

static void start_and_stay(void *arg)
{
	(void)arg;
	start();
	while (!stopping())
		usleep(10000);
}

static void *start_in_thread(void *arg)
{
	start();
	return arg;
}

/* The thread that has started it is gone, and the process stays. */
static void start_by_a_thread_that_ends(void *arg)
{
	pthread_t thread;

	(void)arg;
	if (pthread_create(&thread, NULL, start_in_thread, NULL))
		blame("thread");
	pthread_join(thread, NULL);
	while (!stopping())
		usleep(10000);
}

static pid_t start_user(void (*function)(void *arg))
{
	uint64_t give_up = deadline(60);
	pid_t pid = start_child(1000, NULL, function, NULL);

	while (!atomic_load(started)) {
		assert_true(now_ns() < give_up);
		usleep(1000);
	}
	return pid;
}

static void wait_for_more(unsigned int first, unsigned int last)
{
	for (; first <= last; first++)
		wait_for_records(&session, first, head_of_stream(&session, first) + 10);
}

/*
 * Their timers have ended, or do so when they come next, which writes no record. One may have been
 * in its callback when @heads were read.
 */
static void assert_ended(unsigned int first, const uint64_t *heads)
{
	uint64_t ended[4];
	unsigned int i;

	for (i = first; i < 4; i++) {
		wait_for_state(&session, i, MSR_STREAM_ENDED);
		ended[i] = head_of_stream(&session, i);
		assert_true(ended[i] <= heads[i] + 1);
	}
	/* Not even when the right is back */
	assert_int_equal(set_parameter("own_cpus_only", "0"), 0);
	if (first)
		wait_for_more(0, first - 1);
	else
		usleep(50000);
	for (i = first; i < 4; i++) {
		assert_int_equal(stream_of(&session, i)->state, MSR_STREAM_ENDED);
		assert_int_equal(head_of_stream(&session, i), ended[i]);
	}
	assert_fails(start_fd(session.fd, PERIOD, 0), EBUSY);
	assert_exact(&session, NULL);
	for (i = 0; i < 4; i++)
		assert_true(i < first ? !stream_of(&session, i)->offline :
					stream_of(&session, i)->offline >= 10);
}

static void read_heads(uint64_t *heads)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		heads[i] = head_of_stream(&session, i);
}

TEST(a_starter_thread_that_ends_ends_its_timers, begin_confined, settle)
{
	uint64_t heads[4];

	start_user(start_by_a_thread_that_ends);
	wait_for_state(&session, 0, MSR_STREAM_ENDED);
	read_heads(heads);
	assert_ended(0, heads);
}

TEST(a_starter_that_is_killed_leaves_no_timers_to_who_has_the_descriptor, begin_confined, settle)
{
	uint64_t heads[4];
	pid_t pid = start_user(start_and_stay);

	wait_for_more(0, 3);
	kill_child(pid);
	read_heads(heads);
	assert_ended(0, heads);
}

TEST(without_own_cpus_only_a_starter_need_not_stay, begin, settle)
{
	kill_child(start_user(start_and_stay));
	wait_for_more(0, 3);
	assert_exact(&session, NULL);
}

TEST(a_starter_that_is_moved_loses_the_other_cpus, begin_confined, settle)
{
	uint64_t heads[4];
	pid_t pid = start_user(start_and_stay);

	wait_for_more(0, 3);
	allow_cpus(pid, 0, 1);
	read_heads(heads);
	wait_for_state(&session, 2, MSR_STREAM_ENDED);
	wait_for_state(&session, 3, MSR_STREAM_ENDED);
	allow_cpus(pid, 0, 3);
	wait_for_more(0, 1);
	assert_ended(2, heads);
}

TEST(a_starter_that_is_moved_to_another_cpuset_loses_the_other_cpus, begin_confined, settle)
{
	int err = write_file("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset");
	uint64_t heads[4];
	char text[16];
	pid_t pid;

	if (err == -EINVAL || err == -ENOENT)
		skip(); /* a kernel without cpusets */
	assert_int_equal(err, 0);
	assert_int_equal(mkdir(CGROUP, 0755), 0);
	assert_int_equal(write_file(CGROUP "/cpuset.cpus", "0-1"), 0);
	pid = start_user(start_and_stay);
	wait_for_more(0, 3);
	snprintf(text, sizeof(text), "%d", pid);
	assert_int_equal(write_file(CGROUP "/cgroup.procs", text), 0);
	read_heads(heads);
	assert_ended(2, heads);
}

static void start_from_two_cpus(void *arg)
{
	allow_cpus(0, 0, 1);
	start_and_stay(arg);
}

TEST(own_cpus_only_that_is_turned_on_ends_timers_of_foreign_cpus, begin, settle)
{
	uint64_t heads[4];

	start_user(start_from_two_cpus);
	wait_for_more(0, 3);
	assert_int_equal(set_parameter("own_cpus_only", "1"), 0);
	read_heads(heads);
	wait_for_more(0, 1);
	assert_ended(2, heads);
}

TEST(a_user_cannot_start_a_session_of_foreign_cpus, begin_confined, settle)
{
	int err;

	allow_cpus(0, 0, 1);
	assert_int_equal(setresuid(1000, 1000, 0), 0);
	/* The descriptor is root's: that is not enough. */
	err = start_fd(session.fd, PERIOD, 0) ? errno : 0;
	assert_int_equal(setresuid(0, 0, 0), 0);
	assert_int_equal(err, EACCES);
	assert_int_equal(stream_of(&session, 0)->state, MSR_STREAM_IDLE);
}

TEST(root_samples_foreign_cpus_by_a_descriptor_of_its_own, begin_confined, settle)
{
	allow_cpus(0, 0, 1);
	assert_int_equal(start_fd(session.fd, PERIOD, 0), 0);
	wait_for_more(0, 3);
	allow_cpus(0, 1, 1);
	wait_for_more(0, 3);
	assert_exact(&session, NULL);
	assert_int_equal(stream_of(&session, 3)->offline, 0);
}

TEST(root_is_kept_to_its_cpus_on_a_descriptor_that_a_user_opened, begin_confined, settle)
{
	int device = open_as(1000, SAMPLE_PATH);
	int fd = prepare_by(device, 3, 64);
	struct session other = { .fd = fd, .len = 8192 };
	uint64_t head;

	assert_true(fd >= 0);
	other.ring = mmap(NULL, other.len, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(other.ring != MAP_FAILED);
	allow_cpus(0, 0, 1);
	assert_fails(prepare_by(device, 3, 64), EACCES);
	assert_fails(start_fd(fd, PERIOD, 0), EACCES);
	allow_cpus(0, 0, 3);
	assert_int_equal(start_fd(fd, PERIOD, 0), 0);
	wait_for_records(&other, 0, 5);
	allow_cpus(0, 0, 1);
	head = head_of_stream(&other, 0);
	wait_for_state(&other, 0, MSR_STREAM_ENDED);
	assert_true(head_of_stream(&other, 0) <= head + 1);
	assert_exact(&other, NULL);
	end(&other);
	close(device);
}

TEST_PROGRAM(NULL, NULL)
