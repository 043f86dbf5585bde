// SPDX-License-Identifier: GPL-2.0-only
/*
 * A CPU that does not answer, because it has interrupts off, delays only the callers
 * that want that CPU. The module `stall` keeps the last CPU so until it is told to end;
 * whether it is still so tells what came first, whatever the time that it took.
 */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "guest.h"

#define STALL "/sys/module/stall/parameters/"

/* At most, so that a failure ends, too */
#define STALL_PARAMS "cpu=%u stall_ms=8000"

/* The caller's CPU, another that answers, the test's own, and the one that does not */
#define CALLER 0
#define OTHER 1
#define OURS 2
static unsigned int stalled;

struct shared {
	atomic_uint calls; /* that the batches of the callers have begun */
	atomic_uint ends;
	atomic_bool woken;
	atomic_bool woken_during;
};

static struct shared *shared;

static pid_t caller;

static bool is_stalled(void)
{
	char c = 'N';
	int fd = open(STALL "active", O_RDONLY);

	if (fd < 0 || read(fd, &c, 1) != 1)
		c = '?';
	close(fd);
	return c == 'Y';
}

/*
 * The kernel waits for the CPUs that a process was on when it changes the memory of the
 * process. So this process and the child of it that runs the tests are on OURS from the start.
 */
__attribute__((constructor)) static void start_on_our_cpu(void)
{
	if (cpus_online() > OURS) /* not where the tests are only listed */
		pin_to(OURS);
}

static void stall(void)
{
	assert_int_equal(write_file(STALL "release", "0"), 0);
	assert_int_equal(write_file(STALL "go", "1"), 0);
	while (!is_stalled())
		usleep(1000);
}

static void end_stall(void)
{
	assert_int_equal(write_file(STALL "release", "1"), 0);
}

/*
 * The kernel frees what modules need for loading alone a while after that, and then waits
 * for all CPUs itself.
 */
static int load_stall(void **state)
{
	char params[64];

	(void)state;
	stalled = cpus_online() - 1;
	assert_true(stalled > OURS);
	snprintf(params, sizeof(params), STALL_PARAMS, stalled);
	assert_int_equal(load_other("/t/stall.ko", params), 0);
	sleep(2);
	return 0;
}

static int unload_stall(void **state)
{
	(void)state;
	return unload_other("stall");
}

static int make_world(void **state)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	caller = 0;
	return load_the_list(state);
}

static int end_world(void **state)
{
	write_file(STALL "release", "1");
	if (caller > 0) {
		kill(caller, SIGKILL);
		waitpid(caller, NULL, 0);
	}
	munmap(shared, sizeof(*shared));
	return clear_list(state);
}

/* A child on CALLER that calls for all CPUs but its own, once */
static void call_for_all(void)
{
	struct msr_batch_op ops[3];
	unsigned int i;

	caller = fork();
	assert_true(caller >= 0);
	if (caller)
		return;
	pin_to(CALLER);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = read_op(i + 1, STORE_A);
	atomic_fetch_add(&shared->calls, 1);
	run_batch(ops, ARRAY_SIZE(ops));
	atomic_fetch_add(&shared->ends, 1);
	_exit(ops[0].err || ops[1].err || ops[2].err);
}

/* It has begun, and got as far as it gets. */
static void wait_for_caller(void)
{
	while (!atomic_load(&shared->calls))
		usleep(1000);
	usleep(100000);
	assert_int_equal(atomic_load(&shared->ends), 0);
}

static void assert_caller_succeeds(void)
{
	int status = -1;

	assert_int_equal(waitpid(caller, &status, 0), caller);
	caller = 0;
	assert_int_equal(status, 0);
}

TEST(a_reader_of_another_cpu_is_not_delayed, make_world, end_world)
{
	int fd = open_cpu(OTHER, "msr_safe", O_RDONLY);
	uint64_t value;

	poke(OTHER, STORE_A, 0x1234);
	stall();
	call_for_all();
	wait_for_caller();

	assert_int_equal(pread(fd, &value, sizeof(value), STORE_A), sizeof(value));
	assert_true(is_stalled());
	assert_int_equal(value, 0x1234);
	close(fd);

	end_stall();
	assert_caller_succeeds();
}

TEST(batches_from_the_callers_cpu_are_not_delayed, make_world, end_world)
{
	struct msr_batch_op ops[] = {
		read_op(CALLER, STORE_A),
		read_op(OTHER, STORE_A),
		read_op(OURS, STORE_A),
	};

	stall();
	call_for_all();
	wait_for_caller();

	pin_to(CALLER);
	assert_int_equal(run_batch(ops, 3), 0);
	assert_int_equal(run_batch(ops, 2), 0);
	assert_int_equal(run_batch(ops + 1, 1), 0);
	assert_int_equal(run_batch(ops + 2, 1), 0);
	assert_true(is_stalled());
	pin_to(OURS);

	end_stall();
	assert_caller_succeeds();
}

static void *wake_on_callers_cpu(void *unused)
{
	(void)unused;
	pin_to(CALLER);
	usleep(1000);
	atomic_store(&shared->woken_during, is_stalled());
	atomic_store(&shared->woken, true);
	return NULL;
}

TEST(a_real_time_task_on_the_callers_cpu_runs, make_world, end_world)
{
	struct sched_param priority = { .sched_priority = 50 };
	pthread_attr_t attr;
	pthread_t thread;

	stall();
	call_for_all();
	wait_for_caller();

	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &priority);
	assert_int_equal(pthread_create(&thread, &attr, wake_on_callers_cpu, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(atomic_load(&shared->woken_during));

	end_stall();
	assert_caller_succeeds();
}

/* Its memory is in use until the CPU answers. */
TEST(a_caller_that_is_killed_waits_for_its_visits, make_world, end_world)
{
	int status;

	stall();
	call_for_all();
	wait_for_caller();
	kill(caller, SIGKILL);
	usleep(100000);
	assert_int_equal(waitpid(caller, &status, WNOHANG), 0);
	assert_true(is_stalled());

	end_stall();
	assert_int_equal(waitpid(caller, &status, 0), caller);
	caller = 0;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* Two that want the CPU: both get it when it answers. */
TEST(callers_of_the_cpu_are_served_when_it_answers, make_world, end_world)
{
	struct msr_batch_op op = read_op(stalled, STORE_A);
	pid_t second;
	int status;

	poke(stalled, STORE_A, 0x77);
	stall();
	call_for_all();
	wait_for_caller();
	second = fork();
	assert_true(second >= 0);
	if (!second)
		_exit(run_batch(&op, 1) || op.msrdata != 0x77);
	usleep(50000);
	assert_int_equal(waitpid(second, &status, WNOHANG), 0);

	end_stall();
	assert_caller_succeeds();
	assert_int_equal(waitpid(second, &status, 0), second);
	assert_int_equal(status, 0);
}

TEST_PROGRAM(load_stall, unload_stall)
