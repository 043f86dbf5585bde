// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where order matters between a session's own tasks, the writer of a list and CPUs that go, the
 * module `delay` holds one of them there until the others have done what they do. So each of
 * these races takes place, on any machine.
 */

#include <sched.h>
#include <stdatomic.h>

#include "delays.h"
#include "guest.h"
#include "sessions.h"
#include "workers.h"

#define MS UINT64_C(1000000) /* in nanoseconds */

/* The test's CPU; those of the tasks that it has do something; and those that are sampled */
#define OURS 0
#define THEIRS 1
#define OTHERS 2
#define TARGET 3

/* CPU_NUMBER, which the sessions read, is not in it. */
#define WITHOUT "0x402 0xffffffffffffffff\n"

/* What a child does, and what came of it */
struct task {
	pid_t pid;
	unsigned int cpu;
	bool as_user;
	int fd;
	struct msr_start start;
	struct msr_op op;
	const char *text;
	struct session session;
	atomic_bool go;
	atomic_bool ended;
	int result;
	int error;
};

static struct task *tasks;

/*
 * The kernel waits for the CPUs that a process was on when it changes the memory of the
 * process. So this process and the child of it that runs the tests are on OURS from the start.
 */
__attribute__((constructor)) static void start_on_our_cpu(void)
{
	pin_to(OURS);
	tasks = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tasks == MAP_FAILED)
		abort();
}

static void ended(struct task *task, int result)
{
	task->error = result < 0 ? errno : 0;
	task->result = result;
	atomic_store(&task->ended, true);
	/* It keeps what it has, until it is killed. */
	for (;;)
		pause();
}

static void do_start(void *arg)
{
	struct task *task = arg;

	pin_to(task->cpu);
	if (task->as_user && setuid(1000))
		abort();
	ended(task, ioctl(task->fd, MSR_IOC_START, &task->start));
}

/* It has the last reference, once the test has ended its own. */
static void do_close(void *arg)
{
	struct task *task = arg;

	pin_to(task->cpu);
	while (!atomic_load(&task->go))
		usleep(1000);
	munmap((void *)task->session.ring, task->session.len);
	ended(task, close(task->session.fd));
}

static void do_write_list(void *arg)
{
	struct task *task = arg;

	pin_to(task->cpu);
	ended(task, write_list(task->text));
}

static void do_prepare(void *arg)
{
	struct task *task = arg;
	struct msr_ops head = head_of(&task->op, 1, 2);
	const uint64_t value = ~UINT64_C(0);
	int fd;

	pin_to(task->cpu);
	fd = prepare_on(SAMPLE_PATH, &head);
	if (fd < 0)
		ended(task, -1);
	ended(task, run_fd(fd, &value));
}

static void do_set_offline(void *arg)
{
	struct task *task = arg;

	pin_to(task->cpu);
	errno = -set_online(TARGET, false);
	ended(task, errno ? -1 : 0);
}

static void do_confine(void *arg)
{
	struct task *task = arg;

	pin_to(task->cpu);
	errno = -write_file("/sys/module/msr_safe/parameters/own_cpus_only", "1");
	ended(task, errno ? -1 : 0);
}

static struct task *begin(unsigned int nr, void (*function)(void *arg), struct task task)
{
	tasks[nr] = task;
	tasks[nr].pid = start_child(0, NULL, function, &tasks[nr]);
	return &tasks[nr];
}

static void assert_ends(struct task *task)
{
	uint64_t end = deadline(60);

	while (!atomic_load(&task->ended)) {
		assert_true(now_ns() < end);
		usleep(1000);
	}
}

static struct task starter(const struct session *session, unsigned int cpu)
{
	return (struct task){
		.cpu = cpu,
		.fd = session->fd,
		.start = { .size = sizeof(struct msr_start), .period_ns = MS },
	};
}

static struct session sampler_from(unsigned int first, unsigned int count)
{
	struct msr_op ops[4];
	struct msr_ops head = head_of(ops, count, 256);
	unsigned int i;

	for (i = 0; i < count; i++)
		ops[i] = extended_read(first + i, CPU_NUMBER);
	return map_session(SAMPLE_PATH, &head);
}

static void assert_becomes(const __u32 *changing, unsigned int value)
{
	const volatile __u32 *word = changing;
	uint64_t end = deadline(60);

	while (*word != value) {
		assert_true(now_ns() < end);
		usleep(1000);
	}
}

/*
 * After a stop each point of each CPU is a record, or counted as none. @before: what has been
 * accounted for before the start
 */
static void assert_accounted_for(const struct session *session, const uint64_t *before)
{
	const struct msr_ring *ring = session->ring;
	uint64_t points = 0;
	unsigned int i;

	assert_int_not_equal(ring->stop_ns, 0);
	if (ring->stop_ns >= ring->first_ns)
		points = (ring->stop_ns - ring->first_ns) / ring->period_ns + 1;
	for (i = 0; i < ring->cpus; i++)
		assert_int_equal(accounted(session, i) - before[i], points);
}

static void assert_all_accounted_for(const struct session *session)
{
	const uint64_t none[4] = { 0 };

	assert_accounted_for(session, none);
}

static void sleep_there(void *arg)
{
	struct task *task = arg;
	int i;

	pin_to(task->cpu);
	for (i = 0; i < 20; i++)
		usleep(5000);
}

/* What the kernel has counted of the interrupts of a CPU's local timer */
static uint64_t timer_interrupts(unsigned int cpu)
{
	uint64_t count = 0;
	char line[1024];
	FILE *file = fopen("/proc/interrupts", "r");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char *at = strstr(line, "LOC:");
		unsigned int i;

		if (!at)
			continue;
		at += strlen("LOC:");
		for (i = 0; i <= cpu; i++)
			count = strtoull(at, &at, 10);
	}
	fclose(file);
	return count;
}

/* Its timers run, those of the kernel and those of tasks. */
static void assert_cpu_has_its_tick(unsigned int cpu)
{
	uint64_t before = timer_interrupts(cpu);
	pid_t pid;

	tasks[3] = (struct task){ .cpu = cpu };
	pid = start_child(0, NULL, sleep_there, &tasks[3]);
	assert_true(ends_within(pid, 60));
	assert_int_equal(end_of_child(pid), 0);
	assert_true(timer_interrupts(cpu) > before);
}

static int make_world(void **state)
{
	memset(tasks, 0, 4 * sizeof(*tasks));
	return load_the_list(state);
}

static int end_world(void **state)
{
	release_delay();
	end_workers();
	write_file("/sys/module/msr_safe/parameters/own_cpus_only", "0");
	set_online(TARGET, true);
	unload_delay();
	return clear_list(state);
}

/*
 * The timer of the nth CPU is about to be started when the list is written. Nothing that it
 * would read then is older than the write.
 */
static void write_during_start(unsigned int cpus, unsigned int nth, unsigned int from,
			       uint64_t hold_ns)
{
	struct session session = sampler_from(TARGET + 1 - cpus, cpus);
	struct task *start, *write, task = starter(&session, from);
	uint64_t records[2] = { 0 };
	unsigned int i;

	task.start.hold_ns = hold_ns;
	delay_call(nth);
	start = begin(0, do_start, task);
	wait_for_delay();
	write = begin(1, do_write_list, (struct task){ .cpu = THEIRS, .text = WITHOUT });
	assert_becomes(&session.ring->state, MSR_RING_REVOKED);
	end_delay();
	assert_ends(write);
	assert_int_equal(write->result, strlen(WITHOUT));
	for (i = 0; i < cpus; i++)
		records[i] = head_of_stream(&session, i);
	assert_ends(start);
	assert_true(!start->result || start->error == ESTALE);
	usleep(100000);
	for (i = 0; i < cpus; i++)
		assert_int_equal(head_of_stream(&session, i), records[i]);
	if (cpus == 1)
		assert_int_equal(records[0], 0);
	assert_int_equal(stop_fd(session.fd), 0);
	if (!hold_ns)
		assert_all_accounted_for(&session);
	assert_int_equal(session.ring->state, MSR_RING_REVOKED);
	assert_cpu_has_its_tick(TARGET);
	assert_cpu_has_its_tick(OTHERS);
	end(&session);
	end_workers();
	load_the_list(NULL);
}

TEST(no_record_is_newer_than_a_list_that_is_written_during_a_start, make_world, end_world)
{
	load_delay("symbol=hrtimer_start_range_ns " DELAY_US);
	write_during_start(1, 1, THEIRS, 0);
	write_during_start(1, 1, THEIRS, MS);
	write_during_start(1, 1, TARGET, 0); /* the starter's own CPU */
	write_during_start(2, 1, THEIRS, 0);
	write_during_start(2, 2, THEIRS, 0);
}

/*
 * One session is being started on TARGET, so the start of another, which has that CPU and OTHERS,
 * waits for it when its timer on OTHERS runs.
 */
static struct task *start_half(struct session *whole, struct session *half)
{
	struct task *start;

	*whole = sampler_from(TARGET, 1);
	*half = sampler_from(OTHERS, 2);
	delay_call(1);
	begin(0, do_start, starter(whole, THEIRS));
	wait_for_delay();
	start = begin(1, do_start, starter(half, THEIRS));
	assert_becomes(&stream_of(half, 0)->state, MSR_STREAM_SAMPLING);
	return start;
}

/* It has been started on one CPU, and then not at all. */
static void assert_start_is_undone(const struct session *session)
{
	uint64_t records = head_of_stream(session, 0);

	assert_int_equal(head_of_stream(session, 1), 0);
	assert_all_accounted_for(session);
	assert_int_equal(stream_of(session, 0)->state, MSR_STREAM_IDLE);
	assert_int_equal(stream_of(session, 1)->state, MSR_STREAM_IDLE);
	usleep(100000);
	assert_int_equal(head_of_stream(session, 0), records);
}

TEST(a_start_that_is_killed_halfway_leaves_no_timer, make_world, end_world)
{
	struct session whole, half;
	struct task *start;
	uint64_t before[2];

	load_delay("symbol=hrtimer_start_range_ns " DELAY_US);
	start = start_half(&whole, &half);
	kill(start->pid, SIGKILL);
	assert_true(ends_within(start->pid, 60));
	assert_start_is_undone(&half);
	assert_int_equal(half.ring->state, MSR_RING_READY);
	end_delay();
	before[0] = accounted(&half, 0);
	before[1] = accounted(&half, 1);
	assert_int_equal(start_fd(half.fd, MS, 0), 0);
	usleep(50000);
	assert_int_equal(stop_fd(half.fd), 0);
	assert_accounted_for(&half, before);
	assert_cpu_has_its_tick(TARGET);
	end(&half);
	end(&whole);
}

TEST(a_start_that_a_list_ends_halfway_leaves_no_timer, make_world, end_world)
{
	struct session whole, half;
	struct task *start, *write;

	load_delay("symbol=hrtimer_start_range_ns " DELAY_US);
	start = start_half(&whole, &half);
	write = begin(2, do_write_list, (struct task){ .cpu = THEIRS, .text = WITHOUT });
	assert_ends(start);
	assert_int_equal(start->error, ESTALE);
	assert_start_is_undone(&half);
	assert_int_equal(half.ring->state, MSR_RING_REVOKED);
	end_delay();
	assert_ends(write);
	assert_int_equal(write->result, strlen(WITHOUT));
	assert_cpu_has_its_tick(TARGET);
	end(&half);
	end(&whole);
}

static void assert_records_are_of(const struct session *session, unsigned int cpu)
{
	uint64_t n, head = head_of_stream(session, 0);

	for (n = head > 256 ? head - 256 : 0; n < head; n++)
		assert_int_equal(record_of(session, 0, n)->word[0], cpu);
}

/* The CPU is asked to go while it starts a timer, or is about to be asked to. */
static void offline_during_start(void)
{
	struct session session = sampler_from(TARGET, 1);
	struct task *start, *offline;
	uint64_t records;

	delay_call(1);
	start = begin(0, do_start, starter(&session, THEIRS));
	wait_for_delay();
	offline = begin(1, do_set_offline, (struct task){ .cpu = OURS });
	usleep(500000);
	end_delay();
	assert_ends(start);
	assert_int_equal(start->result, 0);
	assert_ends(offline);
	assert_int_equal(offline->result, 0);
	assert_becomes(&stream_of(&session, 0)->state, MSR_STREAM_ENDED);
	records = head_of_stream(&session, 0);
	assert_int_equal(set_online(TARGET, true), 0);
	assert_cpu_has_its_tick(TARGET);
	assert_int_equal(head_of_stream(&session, 0), records);
	assert_fails(start_fd(session.fd, MS, 0), EBUSY);
	assert_int_equal(stop_fd(session.fd), 0);
	assert_all_accounted_for(&session);
	assert_true(stream_of(&session, 0)->offline > 0);
	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	while (head_of_stream(&session, 0) < records + 3)
		usleep(1000);
	assert_records_are_of(&session, TARGET);
	end(&session);
	end_workers();
}

TEST(a_cpu_that_goes_while_its_timer_is_started_ends_it, make_world, end_world)
{
	load_delay("symbol=hrtimer_start_range_ns " DELAY_US);
	offline_during_start();
}

TEST(a_cpu_that_is_on_its_way_out_gets_no_timer_that_stays, make_world, end_world)
{
	load_delay("symbol=smp_call_function_single_async " DELAY_US);
	offline_during_start();
}

TEST(a_starter_that_is_killed_during_its_start_ends_the_session, make_world, end_world)
{
	struct session session = sampler_from(TARGET, 1);
	struct msr_op op = extended_read(TARGET, CPU_NUMBER);
	struct task *start;
	int fd;

	load_delay("symbol=hrtimer_start_range_ns " DELAY_US);
	delay_call(1);
	start = begin(0, do_start, starter(&session, THEIRS));
	end(&session);
	wait_for_delay();
	kill(start->pid, SIGKILL);
	usleep(100000);
	end_delay();
	assert_true(ends_within(start->pid, 60));
	assert_cpu_has_its_tick(TARGET);
	assert_int_equal(write_file("/sys/module/msr_safe/parameters/session_max", "1"), 0);
	fd = try_prepare(&op, 1, 2);
	assert_int_equal(write_file("/sys/module/msr_safe/parameters/session_max", "16"), 0);
	assert_true(fd >= 0);
	close(fd);
}

TEST(a_starter_that_is_confined_during_its_start_gets_no_record, make_world, end_world)
{
	struct session session = sampler_from(TARGET, 1);
	struct task *start, *confine, task = starter(&session, THEIRS);

	load_delay("symbol=hrtimer_start_range_ns " DELAY_US);
	task.as_user = true;
	delay_call(1);
	start = begin(0, do_start, task);
	wait_for_delay();
	usleep(100000); /* It sleeps by now. The code that changes is not executed. */
	confine = begin(1, do_confine, (struct task){ .cpu = OTHERS });
	usleep(500000);
	end_delay();
	assert_ends(start);
	assert_ends(confine);
	assert_int_equal(confine->result, 0);
	assert_becomes(&stream_of(&session, 0)->state, MSR_STREAM_ENDED);
	assert_int_equal(head_of_stream(&session, 0), 0);
	usleep(100000);
	assert_int_equal(head_of_stream(&session, 0), 0);
	assert_int_equal(stop_fd(session.fd), 0);
	assert_all_accounted_for(&session);
	assert_cpu_has_its_tick(TARGET);
	end(&session);
}

/*
 * A list is written while the last reference of a session that samples is put, and that has got
 * as far as this call.
 */
static void write_during_release(const char *params)
{
	struct session session = sampler_from(TARGET, 1);
	struct msr_op op = extended_read(TARGET, CPU_NUMBER);
	struct task *closer;
	int fd;

	load_delay(params);
	closer = begin(0, do_close, (struct task){ .cpu = OTHERS, .session = session });
	assert_int_equal(start_fd(session.fd, MS, 0), 0);
	end(&session);
	assert_int_equal(write_file("/sys/module/msr_safe/parameters/session_max", "1"), 0);
	delay_call(1);
	atomic_store(&closer->go, true);
	wait_for_delay();
	assert_fails(try_prepare(&op, 1, 2), EMFILE);
	assert_int_equal(write_list(WITHOUT), strlen(WITHOUT));
	load_the_list(NULL);
	assert_fails(try_prepare(&op, 1, 2), EMFILE);
	end_delay();
	assert_ends(closer);
	fd = try_prepare(&op, 1, 2);
	assert_true(fd >= 0);
	close(fd);
	assert_cpu_has_its_tick(TARGET);
}

static int end_limits(void **state)
{
	write_file("/sys/module/msr_safe/parameters/session_max", "16");
	return end_world(state);
}

TEST(no_list_waits_for_timers_that_are_cancelled_and_they_count, make_world, end_limits)
{
	write_during_release("symbol=hrtimer_cancel " DELAY_US);
}

TEST(no_list_waits_for_a_mapping_that_is_freed_and_it_counts, make_world, end_limits)
{
	write_during_release("symbol=vunmap " DELAY_US);
}

TEST(no_list_waits_for_memory_that_is_freed_and_it_counts, make_world, end_limits)
{
	write_during_release("symbol=kvfree callers=free_session,session_release,msr_mem_free,"
			     "msr_program_uninit,msr_sampling_uninit " DELAY_US);
}

/* A session whose operations take the writer of a list some looks, with a rest between them */
static struct session long_session(void)
{
	const unsigned int count = 20000;
	struct msr_op *ops = calloc(count, sizeof(*ops));
	struct msr_ops head = head_of(ops, count, 2);
	struct session session;
	unsigned int i;

	assert_non_null(ops);
	for (i = 0; i < count; i++)
		ops[i] = extended_read(TARGET, CPU_NUMBER);
	session = map_session(SAMPLE_PATH, &head);
	free(ops);
	return session;
}

/* While the writer of a list looks at a session, the release of that session alone waits. */
TEST(a_session_that_is_looked_at_stays_and_others_come_and_go, make_world, end_world)
{
	struct session session = long_session(), other;
	struct task *closer, *write;

	load_delay("symbol=__cond_resched callers=allows,msr_grants_cut " DELAY_US);
	closer = begin(0, do_close, (struct task){ .cpu = OTHERS, .session = session });
	end(&session);
	delay_call(1);
	write = begin(1, do_write_list,
		      (struct task){ .cpu = THEIRS, .text = WITHOUT " 0xc0000103 0\n" });
	while (!is_delayed() && !atomic_load(&write->ended))
		usleep(1000);
	if (!is_delayed())
		skip(); /* a kernel that preempts, and has nothing to call there */
	atomic_store(&closer->go, true);
	other = sampler_from(TARGET, 1);
	assert_int_equal(start_fd(other.fd, MS, 0), 0);
	assert_int_equal(stop_fd(other.fd), 0);
	end(&other);
	usleep(300000);
	assert_false(atomic_load(&closer->ended));
	end_delay();
	assert_ends(closer);
	assert_ends(write);
	assert_true(write->result > 0);
	assert_cpu_has_its_tick(TARGET);
}

/* A list is written between the check of a session and the moment from which it stands. */
static void prepare_during_write(const char *list, int error, uint64_t stored)
{
	struct task *prepare;

	poke(TARGET, STORE_B, 0);
	load_list("0x406 0xffff\n");
	delay_call(1);
	prepare = begin(0, do_prepare,
			(struct task){ .cpu = OTHERS,
				       .op = extended_write(TARGET, STORE_B, 0, ~UINT64_C(0)) });
	wait_for_delay();
	load_list(list);
	end_delay();
	assert_ends(prepare);
	assert_int_equal(prepare->error, error);
	assert_int_equal(peek(TARGET, STORE_B), stored);
	end_workers();
}

TEST(a_list_that_is_written_during_a_prepare_holds_for_it, make_world, end_world)
{
	load_delay("symbol=vmap " DELAY_US);
	prepare_during_write("0x406 0xffff\n", 0, 0xffff);
	prepare_during_write("0x406 0xff\n", 0, 0xff);
	prepare_during_write("0x406 0xffff0000\n", 0, 0xffff0000);
	prepare_during_write("0x406 0\n", EROFS, 0);
	prepare_during_write(WITHOUT, EACCES, 0);
}

TEST(a_list_that_is_written_before_the_descriptor_is_there_ends_the_session, make_world, end_world)
{
	load_delay("symbol=anon_inode_getfd " DELAY_US);
	prepare_during_write("0x406 0xffff\n", 0, 0xffff);
	prepare_during_write("0x406 0xff\n", ESTALE, 0);
	prepare_during_write(WITHOUT, ESTALE, 0);
}

TEST_PROGRAM(NULL, NULL)
