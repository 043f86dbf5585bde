// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trace point msr_safe:msr_safe_write says who has written what, by whatever door.
 */

#include <sched.h>

#include "doors.h"
#include "workers.h"

#define TRACING "/sys/kernel/tracing/"
#define EVENT "msr_safe/msr_safe_write"
#define OWN_PATH "/sys/module/msr_safe/parameters/own_cpus_only"
#define SESSIONS_PATH "/sys/module/msr_safe/parameters/session_max"

#define FAULT (UINT64_C(1) << 40)

/* One line of the trace */
struct seen {
	char comm[32];
	pid_t pid;
	unsigned int cpu, msr;
	uint64_t value, mask;
	int err;
};

#define MOST_SEEN 70000

static struct seen seen[MOST_SEEN];
static unsigned int nr_seen;

static bool has_tracing(void)
{
	return access(TRACING "events/" EVENT, F_OK) == 0;
}

/* Once for all tests: it takes CPUs offline. The trace has room for what the tests write. */
static int trace_writes(void **state)
{
	(void)state;
	if (!has_tracing())
		return 0;
	return write_file(TRACING "buffer_size_kb", "8192") ?: trace_event(EVENT, true);
}

static int trace_no_more(void **state)
{
	(void)state;
	return has_tracing() ? trace_event(EVENT, false) : 0;
}

static void forget(void)
{
	close(open_path(TRACING "trace", O_WRONLY | O_TRUNC));
}

static int begin(void **state)
{
	if (has_tracing())
		forget();
	return load_the_list(state);
}

/* "COMM-PID [CPU] FLAGS TIME: msr_safe_write: cpu=…" */
static bool parse(char *line, struct seen *found)
{
	char *event = strstr(line, ": msr_safe_write: "), *cpu = strstr(line, " ["), *pid;
	size_t len;

	if (!event || !cpu)
		return false;
	*cpu = '\0';
	pid = strrchr(line, '-');
	assert_non_null(pid);
	found->pid = strtol(pid + 1, NULL, 10);
	*pid = '\0';
	line += strspn(line, " ");
	len = strnlen(line, sizeof(found->comm) - 1);
	memcpy(found->comm, line, len);
	found->comm[len] = '\0';
	assert_int_equal(sscanf(event,
				": msr_safe_write: cpu=%u msr=0x%x value=0x%" SCNx64
				" mask=0x%" SCNx64 " err=%d",
				&found->cpu, &found->msr, &found->value, &found->mask, &found->err),
			 5);
	return true;
}

static void read_trace(void)
{
	FILE *file = fopen(TRACING "trace", "r");
	char line[512];

	assert_non_null(file);
	nr_seen = 0;
	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, "LOST"))
			fail_msg("the trace lacks events");
		assert_true(nr_seen < MOST_SEEN);
		nr_seen += parse(line, &seen[nr_seen]);
	}
	fclose(file);
	forget();
}

static void assert_seen(unsigned int nr, unsigned int cpu, uint32_t msr, uint64_t value,
			uint64_t mask, int err)
{
	char own[17] = "";
	FILE *file = fopen("/proc/self/comm", "r");

	assert_true(nr < nr_seen);
	assert_int_equal(fscanf(file, "%16[^\n]", own), 1);
	fclose(file);
	/* The trace learns the name of a process when a CPU switches from it. */
	if (strcmp(seen[nr].comm, "<...>"))
		assert_string_equal(seen[nr].comm, own);
	assert_int_equal(seen[nr].pid, getpid());
	assert_int_equal(seen[nr].cpu, cpu);
	assert_int_equal(seen[nr].msr, msr);
	assert_int_equal(seen[nr].value, value);
	assert_int_equal(seen[nr].mask, mask);
	assert_int_equal(seen[nr].err, err);
}

static void assert_nothing_seen(void)
{
	read_trace();
	if (nr_seen)
		fail_msg("seen: cpu=%u msr=0x%x err=%d", seen->cpu, seen->msr, seen->err);
}

#define skip_without_tracing()      \
	do {                        \
		if (!has_tracing()) \
			skip();     \
	} while (0)

static int begin_doors(void **state)
{
	return begin(state) || write_file(SESSIONS_PATH, "32");
}

static int end_doors(void **state)
{
	(void)state;
	return write_file(SESSIONS_PATH, "16");
}

/* What a worker of io_uring has written is its own. */
static void assert_door_is_seen(struct doors *doors, const struct door *door, unsigned int cpu)
{
	static uint64_t value = UINT64_C(0x1234500000000);
	unsigned int i;
	int err;

	value++; /* a wait is for another one */
	forget();
	err = door->write(doors, door, cpu, value);
	read_trace();
	if ((nr_seen > 0) != (err == 0))
		fail_msg("%s, CPU %u: %d, and %u writes in the trace", door->name, cpu, err,
			 nr_seen);
	for (i = 0; i < nr_seen; i++) {
		const struct seen *one = &seen[i];

		if (one->cpu != cpu || one->msr != STORE_A || one->value != value ||
		    one->mask != UINT64_MAX || one->err ||
		    (kind_of(doors, door) == DOOR_CALLER && one->pid != getpid()))
			fail_msg("%s, CPU %u: seen cpu=%u msr=0x%x value=0x%" PRIx64
				 " mask=0x%" PRIx64 " err=%d of %s-%d",
				 door->name, cpu, one->cpu, one->msr, one->value, one->mask,
				 one->err, one->comm, one->pid);
	}
}

TEST(a_write_by_any_door_is_in_the_trace_with_its_caller, begin_doors, end_doors)
{
	struct doors doors;
	unsigned int i, cpu;

	skip_without_tracing();
	open_doors(&doors);
	for (i = 0; i < nr_doors; i++)
		for (cpu = 0; cpu < DOOR_CPUS && all_doors[i].write; cpu++)
			assert_door_is_seen(&doors, &all_doors[i], cpu);
	close_doors(&doors);
}

TEST(no_read_by_any_door_is_in_the_trace, begin_doors, end_doors)
{
	struct doors doors;
	unsigned int i, cpu;
	uint64_t value;

	skip_without_tracing();
	open_doors(&doors);
	for (i = 0; i < nr_doors; i++)
		for (cpu = 0; cpu < DOOR_CPUS && all_doors[i].read; cpu++)
			all_doors[i].read(&doors, &all_doors[i], cpu, &value);
	assert_nothing_seen();
	close_doors(&doors);
}

static int own_cpu(void)
{
	pin_to(1);
	return 1;
}

static void let_run_anywhere(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

static int end_pinned(void **state)
{
	(void)state;
	let_run_anywhere();
	return 0;
}

TEST(pwrite_is_seen_on_the_own_cpu_and_on_others, begin, end_pinned)
{
	const uint64_t value = 0xfeedface, fault = FAULT;
	unsigned int cpus[] = { own_cpu(), 3 }, i;

	skip_without_tracing();
	for (i = 0; i < 2; i++) {
		int fd = open_cpu(cpus[i], "msr_safe", O_RDWR);

		assert_int_equal(pwrite(fd, &value, 8, STORE_B), 8);
		assert_fails(pwrite(fd, &fault, 8, FAULTING), EIO);
		close(fd);
		read_trace();
		assert_int_equal(nr_seen, 2);
		assert_seen(0, cpus[i], STORE_B, value, 0xffff0000, 0);
		assert_seen(1, cpus[i], FAULTING, FAULT, UINT64_MAX, -EIO);
	}
}

TEST(each_write_of_a_batch_is_seen_in_order, begin, NULL)
{
	struct msr_batch_op ops[40];
	unsigned int i, count;

	skip_without_tracing();
	for (count = 1; count <= ARRAY_SIZE(ops); count += 13) {
		for (i = 0; i < count; i++)
			ops[i] = i % 5 == 4 ? write_op(i % 4, FAULTING, FAULT + i) :
					      write_op(i % 4, STORE_B, i);
		run_batch(ops, count);
		read_trace();
		assert_int_equal(nr_seen, count);
		for (i = 0; i < count; i++)
			assert_seen(i, i % 4, i % 5 == 4 ? FAULTING : STORE_B,
				    i % 5 == 4 ? FAULT + i : i,
				    i % 5 == 4 ? UINT64_MAX : 0xffff0000, i % 5 == 4 ? -EIO : 0);
	}
}

TEST(extended_writes_are_seen_with_the_mask_that_they_had, begin, NULL)
{
	struct msr_op ops[] = {
		extended_write(1, STORE_B, 0x5555555555, 0xffffff),
		extended_read(1, STORE_B),
		extended_write(2, STORE_B, 0x6666666666, 0),
		extended_write(3, FAULTING, FAULT, FAULT | 1),
	};
	struct msr_ops head = head_of(ops, ARRAY_SIZE(ops), 0);

	skip_without_tracing();
	ops[0].flags |= MSR_OP_TSC;
	assert_int_equal(batch_ioctl(MSR_IOC_OPS, &head), 1);
	read_trace();
	assert_int_equal(nr_seen, 3);
	assert_seen(0, 1, STORE_B, 0x5555555555, 0xff0000, 0);
	assert_seen(1, 2, STORE_B, 0x6666666666, 0xffff0000, 0);
	assert_seen(2, 3, FAULTING, FAULT, FAULT | 1, -EIO);
}

/* A session of one write, or of several with reads between them */
static void assert_run_is_seen(bool stamps, bool given)
{
	static const uint64_t values[] = { 0x777, FAULT + 7, 0x999 };
	struct msr_op ops[] = {
		extended_write(1, STORE_B, 0x111, 0xff0000), extended_read(3, STORE_A),
		extended_write(3, FAULTING, FAULT, 0),	     extended_read(1, STORE_B),
		extended_write(3, STORE_A, 0x333, 0),
	};
	struct session session = prepare(ops, ARRAY_SIZE(ops), 4, stamps);

	assert_nothing_seen(); /* of what preparing does */
	assert_int_equal(run_fd(session.fd, given ? values : NULL), 1);
	read_trace();
	assert_int_equal(nr_seen, 3);
	assert_seen(0, 1, STORE_B, given ? 0x777 : 0x111, 0xff0000, 0);
	assert_seen(1, 3, FAULTING, given ? FAULT + 7 : FAULT, UINT64_MAX, -EIO);
	assert_seen(2, 3, STORE_A, given ? 0x999 : 0x333, UINT64_MAX, 0);
	end(&session);
}

TEST(writes_of_a_run_are_seen_with_their_values, begin, NULL)
{
	skip_without_tracing();
	assert_run_is_seen(false, false);
	assert_run_is_seen(false, true);
	assert_run_is_seen(true, false);
	assert_run_is_seen(true, true);
}

static void assert_single_run_is_seen(unsigned int cpu, bool stamps)
{
	struct msr_op op = extended_write(cpu, FAULTING, 5, 0);
	struct session session = prepare(&op, 1, 4, stamps);
	uint64_t value = FAULT;

	assert_int_equal(run_fd(session.fd, NULL), 0);
	assert_int_equal(run_fd(session.fd, &value), 1);
	read_trace();
	assert_int_equal(nr_seen, 2);
	assert_seen(0, cpu, FAULTING, 5, UINT64_MAX, 0);
	assert_seen(1, cpu, FAULTING, FAULT, UINT64_MAX, -EIO);
	end(&session);
}

TEST(a_run_of_one_write_is_seen_on_the_own_cpu_and_on_others, begin, end_pinned)
{
	unsigned int cpus[] = { own_cpu(), 3 }, i;

	skip_without_tracing();
	for (i = 0; i < 4; i++)
		assert_single_run_is_seen(cpus[i / 2], i % 2);
}

static int begin_confined(void **state)
{
	return begin(state) || write_file(OWN_PATH, "1");
}

static int end_confined(void **state)
{
	let_run_anywhere();
	set_online(2, true);
	(void)state;
	return write_file(OWN_PATH, "0");
}

static int write_without_right(void *arg)
{
	const struct session *session = arg;
	struct msr_batch_op ops[] = { write_op(2, STORE_A, 1), write_op(3, STORE_A, 1) };
	struct msr_op op = extended_write(3, STORE_A, 1, 0);
	struct msr_ops head = head_of(&op, 1, 0);
	uint64_t value = 1;
	int fd = open_cpu(3, "msr_safe", O_RDWR), batch = open(BATCH_PATH, O_RDONLY);

	pin_to(1);
	if (fd < 0 || batch < 0)
		return 1;
	if (pwrite(fd, &value, 8, STORE_A) >= 0 || !run_batch_fd(batch, ops, 2) || !ops[1].err ||
	    ioctl(batch, MSR_IOC_OPS, &head) != 1 || run_fd(session->fd, NULL) >= 0)
		return 2;
	return 0;
}

TEST(refused_writes_are_not_in_the_trace, begin_confined, end_confined)
{
	struct msr_op op = extended_write(3, STORE_A, 1, 0);
	struct session session = prepare(&op, 1, 4, false);
	struct msr_batch_op ops[] = {
		write_op(1, STORE_C, 1), /* EROFS */
		write_op(1, STORE_D, 1), /* EACCES */
		write_op(77, STORE_A, 1), /* ENXIO */
		write_op(2, STORE_A, 1), /* ENXIO, too */
	};
	struct msr_ops head = head_of(&op, 1, 0);
	int fd = open_cpu(1, "msr_safe", O_RDWR);
	uint64_t value = 1;

	skip_without_tracing();
	assert_int_equal(set_online(2, false), 0);
	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), EROFS);
	assert_int_equal(ops[3].err, -ENXIO);
	assert_fails(pwrite(fd, &value, 8, STORE_C), EACCES);
	assert_fails(pwrite(fd, &value, 8, STORE_D), EACCES);
	close(fd);
	op = extended_write(1, STORE_B, 1, 0xff); /* EROFS */
	assert_int_equal(batch_ioctl(MSR_IOC_OPS, &head), 1);
	assert_int_equal(op.err, -EROFS);
	assert_nothing_seen();
	/* By a user, on CPUs that it may not reach */
	assert_int_equal(chmod("/dev/cpu/3/msr_safe", 0666) | chmod(BATCH_PATH, 0666), 0);
	assert_int_equal(in_child(true, write_without_right, &session), 0);
	assert_nothing_seen();
	end(&session);
}

/* Ways to write the numbers from 1 on to STORE_A of CPU 3, which take many visits */
#define NUMBERS 60000

static int by_batch(void)
{
	struct msr_batch_op *ops = calloc(NUMBERS, sizeof(*ops));
	unsigned int i;

	for (i = 0; i < NUMBERS; i++)
		ops[i] = write_op(3, STORE_A, i + 1);
	return run_batch(ops, NUMBERS);
}

static struct msr_op *numbers(void)
{
	struct msr_op *ops = calloc(NUMBERS, sizeof(*ops));
	unsigned int i;

	for (i = 0; i < NUMBERS; i++)
		ops[i] = extended_write(3, STORE_A, i + 1, 0);
	return ops;
}

static int by_ops(void)
{
	struct msr_ops head = head_of(numbers(), NUMBERS, 0);

	return batch_ioctl(MSR_IOC_OPS, &head);
}

static int by_run(void)
{
	return run_fd(try_prepare(numbers(), NUMBERS, 1), NULL);
}

static void write_numbers(void *arg)
{
	((int (*)(void))arg)();
}

/*
 * Has a child write numbers, until something ends it. What is in the trace is what it has written.
 * Returns whether it was ended in the middle.
 */
static bool end_midway(int (*way)(void), void (*ends)(pid_t pid))
{
	unsigned int i, count;
	pid_t pid;

	poke(3, STORE_A, 0);
	forget();
	pid = start_child(0, NULL, write_numbers, way);
	while (!peek(3, STORE_A) && !ends_within(pid, 0))
		;
	ends(pid);
	end_of_child(pid);
	count = peek(3, STORE_A);
	assert_true(count > 0);
	read_trace();
	assert_int_equal(nr_seen, count);
	for (i = 0; i < count; i++)
		if (seen[i].value != i + 1 || seen[i].pid != pid || seen[i].cpu != 3 || seen[i].err)
			fail_msg("write %u of CPU %u by %d: 0x%" PRIx64 ", %d", i, seen[i].cpu,
				 seen[i].pid, seen[i].value, seen[i].err);
	return count < NUMBERS;
}

static void kill_it(pid_t pid)
{
	kill(pid, SIGKILL);
}

static void replace_list(pid_t pid)
{
	(void)pid;
	load_list("0x402 0\n");
}

static int end_numbers(void **state)
{
	end_workers();
	return clear_list(state);
}

/* Or a user could hide what it has written. */
TEST(writes_before_a_fatal_signal_are_in_the_trace, begin, end_numbers)
{
	static int (*const ways[])(void) = { by_batch, by_ops, by_run };
	unsigned int i, tries, midway;

	skip_without_tracing();
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		for (tries = midway = 0; tries < 20 && midway < 3; tries++)
			midway += end_midway(ways[i], kill_it);
		print_message("# way %u: killed %u times, %u of them midway\n", i, tries, midway);
		assert_true(midway > 0);
	}
}

TEST(writes_of_a_run_before_a_new_list_are_in_the_trace, begin, end_numbers)
{
	unsigned int tries, midway;

	skip_without_tracing();
	for (tries = midway = 0; tries < 20 && midway < 3; tries++) {
		load_the_list(NULL);
		midway += end_midway(by_run, replace_list);
	}
	print_message("# %u lists, %u of them midway\n", tries, midway);
	assert_true(midway > 0);
}

TEST_PROGRAM(trace_writes, trace_no_more)
