// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user's task that is always busy keeps its CPU, whatever quantities other users choose who
 * sample that CPU.
 *
 * What is exact is counted: the records of all sessions, the interrupts of the timer, and those by
 * which calls of the attackers visit the CPU. What an interrupt takes differs from machine to
 * machine, and in an emulator it is much. So the measure
 * of the victim's work is what one session costs it that takes as many samples as sample_max_hz
 * allows, in the same run. A slot can take two interrupts, as a timer that comes too early comes
 * again. The machine may be busy with other things: the best of some rounds counts.
 */

#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "guest.h"
#include "sessions.h"
#include "workers.h"

#define MS UINT64_C(1000000) /* in nanoseconds */
#define PARAMETERS "/sys/module/msr_safe/parameters/"

#define VICTIM_CPU 3
#define ATTACKER_CPU 1
#define VICTIM_UID 1001
#define ATTACKER_UID 2000

/* One of the default's samples after the other */
#define FULL_RATE (MS / 10)

#define ROUNDS 10
#define ROUNDS_AT_LEAST 4
#define ROUND_US 500000

/* Of the victim's work: the share that sampling can take, and what measuring is wrong by */
#define SLACK 0.3

struct shared {
	_Atomic uint64_t work; /* that the victim has done */
	_Atomic uint64_t records; /* of the attackers who have ended */
	_Atomic uint64_t calls; /* of attackers, that may interrupt the victim's CPU once each */
	atomic_uint ready; /* attackers who have what they attack with */
	atomic_bool stop;
	atomic_bool failed;
};

static struct shared *shared;

__attribute__((constructor)) static void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		abort();
	pin_to(0);
}

static void work(void *arg)
{
	volatile unsigned int i;

	(void)arg;
	pin_to(VICTIM_CPU);
	for (;;) {
		for (i = 0; i < 100; i++)
			;
		atomic_fetch_add(&shared->work, 1);
	}
}

static int make_victim(void **state)
{
	load_the_list(state);
	atomic_store(&shared->failed, false);
	assert_int_equal(chmod(SAMPLE_PATH, 0666), 0);
	start_child(VICTIM_UID, NULL, work, NULL);
	return 0;
}

static int end_victim(void **state)
{
	end_workers();
	chmod(SAMPLE_PATH, 0600);
	write_file(PARAMETERS "sample_max_hz", "10000");
	write_file(PARAMETERS "sample_permille", "50");
	return clear_list(state);
}

/* In an attacker: its sessions */
static struct session sessions[15];
static unsigned int nr_sessions;

/* In an attacker: a session of so many operations on the victim's CPU */
static struct session try_session(unsigned int count)
{
	struct msr_op ops[MSR_SAMPLE_MAX_OPS];
	struct msr_ops head = head_of(ops, count, 64);
	struct session session = { 0 };
	unsigned int i;

	for (i = 0; i < count; i++)
		ops[i] = extended_read(VICTIM_CPU, CPU_NUMBER);
	atomic_fetch_add(&shared->calls, 1);
	session.fd = prepare_on(SAMPLE_PATH, &head);
	session.len = head.map_len;
	if (session.fd < 0)
		atomic_store(&shared->failed, true);
	return session;
}

/* The same, and it is kept. Returns its descriptor. */
static int keep_session(unsigned int count)
{
	struct session session = try_session(count);

	session.ring = mmap(NULL, session.len, PROT_READ, MAP_SHARED, session.fd, 0);
	if (session.ring == MAP_FAILED) {
		atomic_store(&shared->failed, true);
		_exit(1);
	}
	sessions[nr_sessions++] = session;
	return session.fd;
}

static void start_or_fail(int fd, uint64_t period_ns)
{
	atomic_fetch_add(&shared->calls, 1);
	if (start_fd(fd, period_ns, 0))
		atomic_store(&shared->failed, true);
}

/* What is there is used until the round ends. */
static void be_ready(void)
{
	atomic_fetch_add(&shared->ready, 1);
}

static void count_records(void)
{
	unsigned int i;

	for (i = 0; i < nr_sessions; i++) {
		stop_fd(sessions[i].fd);
		atomic_fetch_add(&shared->records, stream_of(&sessions[i], 0)->head);
	}
}

static void stay(void)
{
	be_ready();
	while (!atomic_load(&shared->stop))
		usleep(1000);
	count_records();
}

static void do_nothing(void *arg)
{
	(void)arg;
	stay();
}

static void spin(void *arg)
{
	(void)arg;
	pin_to(ATTACKER_CPU);
	be_ready();
	while (!atomic_load(&shared->stop))
		;
}

static void sample_once(void *arg)
{
	(void)arg;
	start_or_fail(keep_session(1), FULL_RATE);
	stay();
}

static void sample_and_run(void *arg)
{
	int fd = try_session(1).fd;

	(void)arg;
	pin_to(ATTACKER_CPU);
	start_or_fail(keep_session(1), FULL_RATE);
	be_ready();
	while (!atomic_load(&shared->stop)) {
		atomic_fetch_add(&shared->calls, 1);
		run_fd(fd, NULL);
	}
	count_records();
}

static void have_many_descriptors(void *arg)
{
	struct rlimit limit = { 2000, 2000 };
	int i, fd = keep_session(1);

	(void)arg;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (i = 0; i < 900; i++)
		if (dup(fd) < 0 ||
		    mmap(NULL, sessions[0].len, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
			atomic_store(&shared->failed, true);
	start_or_fail(fd, FULL_RATE);
	stay();
}

static void have_many_sessions(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 15; i++)
		start_or_fail(keep_session(1), FULL_RATE);
	stay();
}

static void have_many_operations(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 15; i++)
		start_or_fail(keep_session(MSR_SAMPLE_MAX_OPS), FULL_RATE);
	stay();
}

static void have_short_periods(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 15; i++)
		start_or_fail(keep_session(1), MSR_PERIOD_MIN_NS);
	stay();
}

static void start_and_stop(void *arg)
{
	int fd = keep_session(1);

	(void)arg;
	pin_to(ATTACKER_CPU);
	be_ready();
	while (!atomic_load(&shared->stop)) {
		start_or_fail(fd, MSR_PERIOD_MIN_NS);
		stop_fd(fd);
	}
	count_records();
}

static void prepare_and_close(void *arg)
{
	(void)arg;
	pin_to(ATTACKER_CPU);
	start_or_fail(keep_session(1), FULL_RATE);
	be_ready();
	while (!atomic_load(&shared->stop))
		close(try_session(1).fd);
	count_records();
}

/*
 * What the kernel has counted of a kind of interrupts of the victim's CPU: LOC, its local timer;
 * CAL, calls of functions by other CPUs
 */
static uint64_t interrupts_of(const char *kind)
{
	unsigned long long count[VICTIM_CPU + 1] = { 0 };
	char line[1024], name[8];
	FILE *file = fopen("/proc/interrupts", "r");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " %7[A-Z]: %llu %llu %llu %llu", name, &count[0], &count[1],
			   &count[2], &count[3]) == VICTIM_CPU + 2 &&
		    !strcmp(name, kind))
			break;
	fclose(file);
	return count[VICTIM_CPU];
}

/* Two interrupts a slot, and what the kernel has its timer for, whatever is done. */
static double measure_round(void)
{
	uint64_t interrupts = interrupts_of("LOC"), before = now_ns(), done, began;
	double rate;

	done = atomic_load(&shared->work);
	began = now_ns();
	usleep(ROUND_US);
	rate = (atomic_load(&shared->work) - done) * 1e9 / (now_ns() - began);
	interrupts = interrupts_of("LOC") - interrupts;
	assert_true(interrupts < 2.2 * (now_ns() - before) / FULL_RATE + 1000);
	return rate;
}

/* What the victim does in a second, while so many users do this */
static double rate_beside(void (*function)(void *arg), unsigned int users)
{
	uint64_t began = now_ns(), end = deadline(60), visits = interrupts_of("CAL");
	pid_t pids[8];
	unsigned int i;
	double rate;

	atomic_store(&shared->stop, false);
	atomic_store(&shared->ready, 0);
	atomic_store(&shared->records, 0);
	atomic_store(&shared->calls, 0);
	for (i = 0; i < users; i++)
		pids[i] = start_child(ATTACKER_UID + i, NULL, function, NULL);
	while (atomic_load(&shared->ready) < users) {
		assert_true(now_ns() < end);
		usleep(1000);
	}
	rate = measure_round();
	atomic_store(&shared->stop, true);
	for (i = 0; i < users; i++) {
		assert_true(ends_within(pids[i], 60));
		assert_int_equal(end_of_child(pids[i]), 0);
	}
	assert_false(atomic_load(&shared->failed));
	/* One sample a slot */
	assert_true(atomic_load(&shared->records) <= (now_ns() - began) / FULL_RATE + 1);
	/* One visit a call, and what the kernel itself has called in the time */
	visits = interrupts_of("CAL") - visits;
	assert_true(visits <= atomic_load(&shared->calls) + 500);
	return rate;
}

/* What an attack leaves of the victim's work, and what its control does */
struct shares {
	double attack;
	double control;
};

static void keep_best(double *best, double rate)
{
	if (rate > *best)
		*best = rate;
}

/* So many times what the control takes, at most, and what measuring is wrong by */
static bool in_budget(const struct shares *left, unsigned int times)
{
	return 1 - left->attack <= times * (1 - left->control) + SLACK;
}

static void assert_in_budget(void (*alone)(void *arg), void (*control)(void *arg),
			     unsigned int times, void (*attack)(void *arg), unsigned int users)
{
	double undisturbed = 0, controlled = 0, attacked = 0;
	struct shares left;
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		keep_best(&undisturbed, rate_beside(alone, 1));
		keep_best(&controlled, rate_beside(control, 1));
		keep_best(&attacked, rate_beside(attack, users));
		left = (struct shares){ attacked / undisturbed, controlled / undisturbed };
		if (round + 1 >= ROUNDS_AT_LEAST && in_budget(&left, times))
			break;
	}
	print_message("# of the victim's work %.0f %% are left, and %.0f %% beside the control\n",
		      100 * left.attack, 100 * left.control);
	assert_true(in_budget(&left, times));
}

TEST(descriptors_and_mappings_cost_a_victim_nothing, make_victim, end_victim)
{
	assert_in_budget(do_nothing, sample_once, 1, have_many_descriptors, 1);
}

TEST(sessions_that_are_due_at_once_share_the_budget, make_victim, end_victim)
{
	assert_in_budget(do_nothing, sample_once, 2, have_many_sessions, 1);
}

TEST(the_most_operations_share_the_budget, make_victim, end_victim)
{
	assert_in_budget(do_nothing, sample_once, 2, have_many_operations, 1);
}

TEST(all_sessions_of_all_users_share_the_budget, make_victim, end_victim)
{
	assert_in_budget(do_nothing, sample_once, 2, have_short_periods, 8);
}

/* Each start visits the CPU once, as a run does, and both are one after the other. */
TEST(starts_in_a_loop_cost_a_victim_no_more_than_runs, make_victim, end_victim)
{
	assert_in_budget(spin, sample_and_run, 1, start_and_stop, 1);
}

TEST(preparations_in_a_loop_cost_a_victim_no_more_than_runs, make_victim, end_victim)
{
	assert_in_budget(spin, sample_and_run, 1, prepare_and_close, 1);
}

TEST_PROGRAM(NULL, NULL)
