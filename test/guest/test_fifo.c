// SPDX-License-Identifier: GPL-2.0-only
/*
 * Beside a real-time task that has a CPU for itself, and never lets anything else run there, each
 * call from another CPU ends, and so does the write of a list, whatever it is that the task
 * keeps from running.
 */

#include <sched.h>
#include <stdatomic.h>

#include "delays.h"
#include "guest.h"
#include "sessions.h"
#include "workers.h"

#define MS UINT64_C(1000000) /* in nanoseconds */

/* Seconds, which no call takes, however busy the machine is; after that the task ends. */
#define BOUND 20

#define CPUS 4
#define CLOSERS 6

#define WITHOUT "0x402 0xffffffffffffffff\n"
#define WITH WITHOUT "0xc0000103 0\n"

/* The task that has a CPU for itself, and what others tell it */
struct fifo {
	unsigned int cpu;
	atomic_bool runs;
	atomic_bool stop;
	atomic_bool expired;
	atomic_bool go; /* for those that it is to keep from running */
};

static struct fifo *fifo;
static pid_t fifo_pid;
static bool safety_ended;

/* Of the step that is taken beside it */
static struct session session;

__attribute__((constructor)) static void share(void)
{
	fifo = mmap(NULL, sizeof(*fifo), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fifo == MAP_FAILED)
		abort();
}

static void be_busy(void *arg)
{
	const struct sched_param param = { .sched_priority = 50 };
	uint64_t end;

	(void)arg;
	pin_to(fifo->cpu);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		blame("no real-time task");
	end = deadline(BOUND);
	atomic_store(&fifo->runs, true);
	while (!atomic_load(&fifo->stop))
		if (now_ns() > end) {
			atomic_store(&fifo->expired, true);
			return;
		}
}

/*
 * The kernel lets others run for a part of the time, to be on the safe side. For good: Linux 6.12
 * warns of its own accounts where a server of this kind stops once more after it was set again.
 */
static void end_safety(void)
{
	char path[96];
	unsigned int i;

	write_file("/proc/sys/kernel/sched_rt_runtime_us", "-1");
	for (i = 0; !safety_ended && i < CPUS; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/sched/fair_server/cpu%u/runtime",
			 i);
		write_file(path, "0");
	}
	safety_ended = true;
}

static void begin_fifo(unsigned int cpu)
{
	atomic_store(&fifo->runs, false);
	atomic_store(&fifo->stop, false);
	atomic_store(&fifo->expired, false);
	fifo->cpu = cpu;
	fifo_pid = start_child(0, NULL, be_busy, NULL);
}

static void wait_for_fifo(void)
{
	uint64_t end = deadline(60);

	while (!atomic_load(&fifo->runs)) {
		assert_true(now_ns() < end);
		usleep(1000);
	}
}

/* It has been busy until now: it has not ended by itself. */
static void end_fifo(const char *what)
{
	bool expired = atomic_load(&fifo->expired);
	unsigned int cpu = fifo->cpu;

	atomic_store(&fifo->stop, true);
	end_of_child(fifo_pid);
	if (expired)
		fail_msg("%s does not end beside a task that has CPU %u for itself", what, cpu);
}

/* A call from another CPU ends while the task is busy. */
static void beside_fifo(const char *what, void (*call)(void *arg), void *arg)
{
	pid_t pid;

	pid = start_child(0, NULL, call, arg);
	if (!ends_within(pid, 60))
		fail_msg("%s does not end", what);
	assert_int_equal(end_of_child(pid), 0);
	if (atomic_load(&fifo->expired))
		end_fifo(what);
}

static struct msr_ops all_cpus(struct msr_op *ops)
{
	unsigned int i;

	for (i = 0; i < CPUS; i++)
		ops[i] = extended_read(i, CPU_NUMBER);
	return head_of(ops, CPUS, 1024);
}

static void do_prepare(void *arg)
{
	struct msr_op ops[CPUS];
	struct msr_ops head = all_cpus(ops);

	(void)arg;
	if (prepare_on(SAMPLE_PATH, &head) < 0)
		_exit(1);
}

static void do_run(void *arg)
{
	(void)arg;
	if (run_fd(session.fd, NULL))
		_exit(1);
}

/* The starter exits, which ends no timer unless own_cpus_only is set. */
static void do_start(void *arg)
{
	(void)arg;
	if (start_fd(session.fd, MS, 0))
		_exit(1);
}

static void do_stop(void *arg)
{
	(void)arg;
	if (stop_fd(session.fd))
		_exit(1);
}

static void do_close(void *arg)
{
	struct msr_op ops[CPUS];
	struct msr_ops head = all_cpus(ops);
	int fd = prepare_on(SAMPLE_PATH, &head);

	(void)arg;
	if (fd < 0 || start_fd(fd, MS, 0) || close(fd))
		_exit(1);
}

static void do_write(void *text)
{
	if (write_list(text) != (ssize_t)strlen(text))
		_exit(1);
}

static int make_world(void **state)
{
	(void)state;
	end_safety();
	atomic_store(&fifo->go, false);
	load_list(WITH);
	return 0;
}

static int end_world(void **state)
{
	atomic_store(&fifo->stop, true);
	release_delay();
	end_workers();
	write_file("/proc/sys/kernel/sched_rt_runtime_us", "950000");
	unload_delay();
	return clear_list(state);
}

TEST(calls_of_sessions_end_beside_a_busy_real_time_task, make_world, end_world)
{
	struct msr_op ops[CPUS];
	struct msr_ops head = all_cpus(ops);
	unsigned int cpu, i;

	for (cpu = 0; cpu < CPUS; cpu++) {
		pin_to((cpu + 1) % CPUS);
		session = map_session(SAMPLE_PATH, &head);
		begin_fifo(cpu);
		wait_for_fifo();
		beside_fifo("PREPARE", do_prepare, NULL);
		beside_fifo("RUN", do_run, NULL);
		for (i = 0; i < CPUS; i++)
			assert_int_equal(stream_of(&session, i)->head, 1);
		beside_fifo("the close of a session that samples", do_close, NULL);
		beside_fifo("START", do_start, NULL);
		wait_for_records(&session, cpu, 10);
		beside_fifo("STOP", do_stop, NULL);
		assert_int_equal(session.ring->state, MSR_RING_READY);
		end_fifo("a record");
		end(&session);
	}
}

TEST(the_write_of_a_list_ends_beside_a_busy_real_time_task, make_world, end_world)
{
	struct msr_op ops[CPUS];
	struct msr_ops head = all_cpus(ops);
	unsigned int cpu;

	for (cpu = 0; cpu < CPUS; cpu++) {
		pin_to((cpu + 1) % CPUS);
		session = map_session(SAMPLE_PATH, &head);
		assert_int_equal(start_fd(session.fd, MS, 0), 0);
		begin_fifo(cpu);
		wait_for_fifo();
		beside_fifo("the write of a list that allows a session", do_write, (void *)WITH);
		assert_int_equal(session.ring->state, MSR_RING_SAMPLING);
		beside_fifo("the write of a list that ends a session", do_write, (void *)WITHOUT);
		assert_int_equal(session.ring->state, MSR_RING_REVOKED);
		beside_fifo("STOP", do_stop, NULL);
		end_fifo("the write of a list");
		end(&session);
		load_list(WITH);
	}
}

/* In a child: sessions that come and go, on the CPU that the task will have for itself */
static void come_and_go(void *arg)
{
	struct msr_op ops[CPUS];
	struct msr_ops head = all_cpus(ops);

	(void)arg;
	pin_to(fifo->cpu);
	while (!stopping()) {
		int fd = prepare_on(SAMPLE_PATH, &head);

		if (fd < 0)
			continue;
		run_fd(fd, NULL);
		start_fd(fd, MS, 0);
		close(fd);
	}
}

/*
 * Wherever the others are when they are kept from running, they hold nothing that matters. To open
 * a file takes locks of the kernel's own, which sleep under PREEMPT_RT: those the others can hold.
 */
TEST(the_write_of_a_list_waits_for_nobody_who_is_kept_from_running, make_world, end_world)
{
	unsigned int cpu, i, round;

	for (cpu = 0; cpu < CPUS; cpu++) {
		pin_to((cpu + 1) % CPUS);
		fifo->cpu = cpu;
		for (i = 0; i < CLOSERS; i++)
			start_child(0, NULL, come_and_go, NULL);
		for (round = 0; round < 4; round++) {
			usleep(50000);
			begin_fifo(cpu);
			wait_for_fifo();
			beside_fifo("the write of a list", do_write, (void *)WITHOUT);
			beside_fifo("the write of a list", do_write, (void *)WITH);
			end_fifo("the write of a list");
		}
		assert_workers_content();
	}
}

/* In a child that has the last reference to a session */
static void close_when_told(void *arg)
{
	(void)arg;
	pin_to(fifo->cpu);
	while (!atomic_load(&fifo->go))
		usleep(1000);
	munmap((void *)session.ring, session.len);
	close(session.fd);
}

/*
 * The last reference to a session that samples is put, and that has got as far as this call, when
 * the task comes.
 */
static void starve_release(const char *params, unsigned int cpu)
{
	struct msr_op ops[CPUS];
	struct msr_ops head = all_cpus(ops);
	pid_t closer;

	pin_to((cpu + 1) % CPUS);
	load_delay(params);
	session = map_session(SAMPLE_PATH, &head);
	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	fifo->cpu = cpu;
	closer = start_child(0, NULL, close_when_told, NULL);
	end(&session);
	delay_call(1);
	atomic_store(&fifo->go, true);
	wait_for_delay();
	begin_fifo(cpu);
	usleep(200000);
	end_delay();
	wait_for_fifo();
	beside_fifo("the write of a list", do_write, (void *)WITHOUT);
	beside_fifo("the write of a list", do_write, (void *)WITH);
	beside_fifo("PREPARE", do_prepare, NULL);
	beside_fifo("the close of a session", do_close, NULL);
	end_fifo("the write of a list");
	assert_true(ends_within(closer, 60));
	end_of_child(closer);
}

TEST(no_list_waits_for_timers_that_a_starved_task_cancels, make_world, end_world)
{
	starve_release("symbol=hrtimer_cancel " DELAY_US, 3);
}

TEST(no_list_waits_for_memory_that_a_starved_task_frees, make_world, end_world)
{
	starve_release("symbol=vunmap " DELAY_US, 2);
}

TEST_PROGRAM(NULL, NULL)
