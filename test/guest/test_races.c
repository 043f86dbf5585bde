// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must hold while other things happen at the same time. Each test runs for
 * SECONDS, or longer, until what it is about has happened often enough.
 */

#include <limits.h>
#include <sched.h>

#include "workers.h"

#define SECONDS 6
#define POISON 0xdeaddeaddeaddeadULL

/* CPUs 1 to 3 go offline and online. */
static void toggle_cpus(void *arg)
{
	atomic_uint *toggles = arg;
	unsigned int i;

	for (i = 0; !stopping(); i++) {
		if (set_online(1 + i % 3, false))
			continue;
		atomic_fetch_add(toggles, 1);
		usleep(5000);
		if (set_online(1 + i % 3, true))
			return blame("a CPU does not come back");
	}
}

static int settle(void **state)
{
	unsigned int cpu;

	end_workers();
	for (cpu = 1; cpu < 4; cpu++)
		set_online(cpu, true);
	return clear_list(state);
}

TEST(no_success_without_data_while_cpus_come_and_go, NULL, settle)
{
	static const unsigned int sizes[] = { 1, 4, 16, 64, 3000 };
	static struct msr_batch_op ops[3000];
	unsigned int i, round = 0, absent = 0, present = 0;
	int fd = open_path(BATCH_PATH, O_RDONLY);
	atomic_uint toggles = 0;
	uint64_t end = deadline(SECONDS);

	load_list("0xc0000103 0\n");
	start_thread(toggle_cpus, &toggles);
	while (now_ns() < end || atomic_load(&toggles) < 6 || !absent) {
		unsigned int count = sizes[round++ % ARRAY_SIZE(sizes)];
		int first = 0, result;

		for (i = 0; i < count; i++) {
			ops[i] = read_op((i + round) % 4, CPU_NUMBER);
			ops[i].msrdata = POISON;
		}
		errno = 0;
		result = run_batch_fd(fd, ops, count);
		for (i = 0; i < count; i++) {
			if (ops[i].err == 0) {
				assert_int_equal(ops[i].msrdata, ops[i].cpu);
				present++;
			} else {
				assert_int_equal(ops[i].err, -ENXIO);
				assert_int_equal(ops[i].msrdata, POISON);
				first = first ? first : ENXIO;
				absent++;
			}
		}
		assert_int_equal(result, first ? -1 : 0);
		assert_int_equal(errno, first);
	}
	assert_workers_content();
	close(fd);
	assert_true(present > 0);
}

static const char list_a[] = "0x402 0xff\n0x406 0xff00\n0x40a 0\n";
static const char list_b[] = "0x402 0xf0f0\n0x406 0x0f0f\n0x40e 0\n";

static void swap_lists(void *arg)
{
	(void)arg;
	while (!stopping())
		if (write_list(list_a) < 0 || write_list(list_b) < 0)
			return blame("a list was refused");
}

/* Which of the two lists has this to say? */
static char list_of(const struct msr_batch_op *op)
{
	switch (op->msr) {
	case STORE_A:
		return op->wmask == 0xff ? 'a' : op->wmask == 0xf0f0 ? 'b' : '?';
	case STORE_B:
		return op->wmask == 0xff00 ? 'a' : op->wmask == 0x0f0f ? 'b' : '?';
	case STORE_C:
		return op->err == 0 ? 'a' : op->err == -EACCES ? 'b' : '?';
	default:
		return op->err == 0 ? 'b' : op->err == -EACCES ? 'a' : '?';
	}
}

TEST(no_batch_is_judged_by_a_mixture_of_lists, NULL, settle)
{
	static const uint32_t msrs[] = { STORE_A, STORE_B, STORE_C, STORE_D };
	static struct msr_batch_op ops[4000];
	int fd = open_path(BATCH_PATH, O_RDONLY);
	unsigned int seen[2] = { 0 }, i;
	uint64_t end = deadline(SECONDS);

	load_list(list_a);
	start_thread(swap_lists, NULL);
	while (now_ns() < end || !seen[0] || !seen[1]) {
		char first;

		for (i = 0; i < ARRAY_SIZE(ops); i++)
			ops[i] = read_op(i / 4 % 4, msrs[i % 4]);
		run_batch_fd(fd, ops, ARRAY_SIZE(ops));
		first = list_of(&ops[0]);
		assert_true(first == 'a' || first == 'b');
		for (i = 0; i < ARRAY_SIZE(ops); i++)
			assert_int_equal(list_of(&ops[i]), first);
		seen[first - 'a']++;
	}
	assert_workers_content();
	close(fd);
}

/* The list lets STORE_A be written: a hammer does, all the time. */
struct hammer {
	bool batches;
	unsigned int from_cpu;
	unsigned int to_cpu;
	atomic_bool revoked; /* the write that revokes has returned */
	atomic_uint successes;
};

#define HAMMERED 0x4a

static void hammer(void *arg)
{
	static __thread struct msr_batch_op ops[2000];
	struct hammer *hammer = arg;
	uint64_t value = HAMMERED;
	int batch_fd = open(BATCH_PATH, O_RDONLY);
	int cpu_fd = open_cpu(hammer->to_cpu, "msr_safe", O_WRONLY);
	unsigned int i;

	pin_to(hammer->from_cpu);
	while (!stopping()) {
		bool revoked = atomic_load(&hammer->revoked);
		bool success;

		if (hammer->batches) {
			for (i = 0; i < ARRAY_SIZE(ops); i++)
				ops[i] = write_op(hammer->to_cpu, STORE_A, HAMMERED);
			run_batch_fd(batch_fd, ops, ARRAY_SIZE(ops));
			success = ops[0].err == 0;
		} else {
			success = pwrite(cpu_fd, &value, sizeof(value), STORE_A) == sizeof(value);
		}
		if (success && revoked)
			return blame(
				"an access began after the write that revoked it, and was made");
		if (success)
			atomic_fetch_add(&hammer->successes, 1);
	}
	close(batch_fd);
	close(cpu_fd);
}

TEST(after_a_write_nothing_is_executed_that_only_the_old_list_allowed, NULL, settle)
{
	struct hammer hammers[] = {
		{ .from_cpu = 1, .to_cpu = 1 },
		{ .from_cpu = 2, .to_cpu = 1 },
		{ .from_cpu = 3, .to_cpu = 1, .batches = true },
		{ .from_cpu = 1, .to_cpu = 1, .batches = true },
	};
	unsigned int i, rounds = 0;
	uint64_t end = deadline(SECONDS);

	pin_to(0);
	while (now_ns() < end || rounds < 4) {
		load_list("0x402 0xffffffffffffffff\n");
		for (i = 0; i < ARRAY_SIZE(hammers); i++) {
			atomic_store(&hammers[i].revoked, false);
			atomic_store(&hammers[i].successes, 0);
			start_thread(hammer, &hammers[i]);
		}
		for (i = 0; i < ARRAY_SIZE(hammers); i++)
			while (!atomic_load(&hammers[i].successes))
				usleep(100);

		load_list("0x406 0\n");
		for (i = 0; i < ARRAY_SIZE(hammers); i++)
			atomic_store(&hammers[i].revoked, true);
		/* A value that is written now must stay: no earlier access is still to come. */
		poke(1, STORE_A, 0x600d);
		usleep(20000);
		assert_int_equal(peek(1, STORE_A), 0x600d);

		assert_workers_content();
		rounds++;
	}
}

/* Writes the low half of STORE_A, by its mask, again and again. */
struct masked_writer {
	bool batches;
	unsigned int from_cpu;
	atomic_uint writes;
};

static void write_low_half(void *arg)
{
	struct masked_writer *writer = arg;
	struct msr_batch_op ops[40];
	int batch_fd = open(BATCH_PATH, O_RDONLY);
	int cpu_fd = open_cpu(1, "msr_safe", O_WRONLY);
	uint64_t value = 0;
	unsigned int i;

	pin_to(writer->from_cpu);
	while (!stopping()) {
		value += 0x123456789abcdef1;
		if (writer->batches) {
			for (i = 0; i < ARRAY_SIZE(ops); i++)
				ops[i] = write_op(1, STORE_A, value + i);
			if (run_batch_fd(batch_fd, ops, ARRAY_SIZE(ops)))
				return blame("a batch failed");
		} else if (pwrite(cpu_fd, &value, sizeof(value), STORE_A) != sizeof(value)) {
			return blame("a write failed");
		}
		atomic_fetch_add(&writer->writes, 1);
	}
	close(batch_fd);
	close(cpu_fd);
}

static unsigned int fewest_writes(struct masked_writer *writers, unsigned int count)
{
	unsigned int fewest = UINT_MAX;

	while (count--) {
		unsigned int writes = atomic_load(&writers[count].writes);

		fewest = writes < fewest ? writes : fewest;
	}
	return fewest;
}

TEST(a_masked_write_never_loses_the_bits_of_another_writer, NULL, settle)
{
	struct masked_writer writers[] = {
		{ .from_cpu = 1 },
		{ .from_cpu = 2 },
		{ .from_cpu = 3, .batches = true },
	};
	uint64_t end = deadline(SECONDS);
	uint64_t high = 0, value;
	unsigned int i;
	int fd;

	load_list("0x402 0x00000000ffffffff\n");
	for (i = 0; i < ARRAY_SIZE(writers); i++)
		start_thread(write_low_half, &writers[i]);

	/* The other writer is the kernel's own driver; the high half is its. */
	fd = open_cpu(1, "msr", O_RDWR);
	for (i = 0;
	     now_ns() < end || high <= 100 || fewest_writes(writers, ARRAY_SIZE(writers)) <= 100;
	     i++) {
		pin_to(i / 64 % 4);
		high++;
		value = high << 32;
		assert_int_equal(pwrite(fd, &value, sizeof(value), STORE_A), sizeof(value));
		assert_int_equal(pread(fd, &value, sizeof(value), STORE_A), sizeof(value));
		assert_int_equal(value >> 32, high);
	}
	close(fd);
	assert_workers_content();
}

/* In a child: batches over all CPUs for ever, unless data is wrong */
static void run_batches_for_ever(void *arg)
{
	static struct msr_batch_op ops[20000];
	const unsigned int *cpu = arg;
	int fd = open(BATCH_PATH, O_RDONLY);
	unsigned int i, round = 0;

	pin_to(*cpu);
	for (;;) {
		unsigned int count = round++ % 3 ? 20000 : 12;

		for (i = 0; i < count; i++)
			ops[i] = read_op(i % 4, CPU_NUMBER);
		if (run_batch_fd(fd, ops, count))
			return;
		for (i = 0; i < count; i++)
			if (ops[i].err || ops[i].msrdata != i % 4)
				return;
	}
}

TEST(batches_from_every_cpu_survive_kill_9_among_them, NULL, settle)
{
	pid_t pids[8] = { 0 };
	unsigned int i, cpu, kills = 0;
	uint64_t end = deadline(SECONDS);

	load_list("0xc0000103 0\n");
	while (now_ns() < end || kills < 20) {
		for (i = 0; i < ARRAY_SIZE(pids); i++) {
			cpu = i % 4;
			if (pids[i])
				continue;
			pids[i] = start_child(0, NULL, run_batches_for_ever, &cpu);
		}
		usleep(7000 + kills % 10 * 1700);
		i = kills++ % ARRAY_SIZE(pids);
		assert_true(WIFSIGNALED(kill_child(pids[i])));
		pids[i] = 0;
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		if (pids[i])
			assert_true(WIFSIGNALED(kill_child(pids[i])));
}

static void hog_cpu(void *arg)
{
	volatile bool for_ever = true;

	(void)arg;
	pin_to(1);
	while (for_ever)
		;
}

/* A batch that hardly ever gets the CPU, and holds the list that long */
static void starve_in_a_batch(void *arg)
{
	static struct msr_batch_op ops[MSR_BATCH_MAX_OPS];
	struct sched_param param = { 0 };
	int fd = open(BATCH_PATH, O_RDONLY);
	unsigned int i;

	for (i = 0; i < MSR_BATCH_MAX_OPS; i++)
		ops[i] = write_op(1, FAULTING, UINT64_C(1) << 40);
	pin_to(1);
	if (sched_setscheduler(0, SCHED_IDLE, &param))
		return blame("a child cannot be idle");
	atomic_store((atomic_bool *)arg, true);
	for (;;)
		run_batch_fd(fd, ops, MSR_BATCH_MAX_OPS);
}

static void write_a_list(void *arg)
{
	(void)arg;
	write_list("0x6e1 0xffffffffffffffff\n0x406 0\n");
}

TEST(a_writer_that_waits_for_a_batch_can_be_killed, NULL, settle)
{
	atomic_bool *begun =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct msr_batch_op op = read_op(0, STORE_B);
	pid_t batch, hog, writer;
	bool waited = false, ended;
	uint64_t end;

	load_list("0x6e1 0xffffffffffffffff\n");
	batch = start_child(0, NULL, starve_in_a_batch, begun);
	while (!atomic_load(begun))
		usleep(1000);
	usleep(50000);
	hog = start_child(0, NULL, hog_cpu, NULL);
	usleep(50000);
	/* The batch may be starving between two batches, where it holds nothing. */
	end = deadline(60);
	do {
		usleep(50000);
		writer = start_child(0, NULL, write_a_list, NULL);
		usleep(300000);
		waited = !ends_within(writer, 0);
		if (!waited)
			end_of_child(writer);
	} while (!waited && now_ns() < end);
	kill(writer, SIGKILL);
	ended = ends_within(writer, 10);

	kill_child(hog);
	kill_child(batch);
	munmap(begun, 4096);
	if (!ended)
		waitpid(writer, NULL, 0);
	assert_true(waited);
	assert_true(ended);
	/* The list that it wrote is in force all the same. */
	assert_int_equal(run_batch(&op, 1), 0);
}
