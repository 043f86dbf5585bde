// SPDX-License-Identifier: GPL-2.0-only
/*
 * What sessions cost, beside what they replace and beside the goals that they were built to.
 * For a guest whose clock counts instructions (-icount shift=0) and one CPU: a nanosecond is
 * an instruction.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../lib/libmsrsafe.h"
#include "../../msr_safe.h"
#include "bench.h"

#define ENTRIES 300
#define BATCH_OPS 30000
#define CALLS 20000
#define MS UINT64_C(1000000)

static int batch_fd, sample_fd;

static struct msr_op *make_ops(unsigned int count)
{
	struct msr_op *ops = calloc(count, sizeof(*ops));
	unsigned int i;

	if (!ops)
		err(EXIT_FAILURE, NULL);
	for (i = 0; i < count; i++)
		ops[i].msr = FIRST_MSR + i % ENTRIES;
	return ops;
}

static struct msr_ops head_of(struct msr_op *ops, unsigned int count)
{
	return (struct msr_ops){
		.size = sizeof(struct msr_ops),
		.op_size = sizeof(*ops),
		.count = count,
		.ops = (uintptr_t)ops,
	};
}

/* A session of reads on the one CPU, and its mapping */
static int prepare(unsigned int count, unsigned int slots, const void **map)
{
	struct msr_op *ops = make_ops(count);
	struct msr_ops head = head_of(ops, count);
	int session;

	head.slots = slots;
	session = ioctl(sample_fd, MSR_IOC_PREPARE, &head);
	if (session < 0)
		err(EXIT_FAILURE, "MSR_IOC_PREPARE");
	*map = mmap(NULL, head.map_len, PROT_READ, MAP_SHARED, session, 0);
	if (*map == MAP_FAILED)
		err(EXIT_FAILURE, "mmap");
	free(ops);
	return session;
}

static void start(int session, uint64_t period_ns)
{
	struct msr_start arg = { .size = sizeof(arg), .period_ns = period_ns };

	if (ioctl(session, MSR_IOC_START, &arg))
		err(EXIT_FAILURE, "MSR_IOC_START");
}

static void stop(int session)
{
	if (ioctl(session, MSR_IOC_STOP, 0))
		err(EXIT_FAILURE, "MSR_IOC_STOP");
}

/* An operation of a run; the quickest of some runs, or the mean of many */
static double cost_of_run(unsigned int count)
{
	int i, calls = count == 1 ? CALLS : 1, rounds = count == 1 ? 1 : 10;
	struct msr_run run = { .size = sizeof(run) };
	uint64_t began, took, best = UINT64_MAX;
	const void *map;
	int session = prepare(count, 2, &map);

	while (rounds--) {
		began = now();
		for (i = 0; i < calls; i++)
			if (ioctl(session, MSR_IOC_RUN, &run))
				err(EXIT_FAILURE, "MSR_IOC_RUN");
		took = now() - began;
		if (took < best)
			best = took;
	}
	close(session);
	return (double)best / calls / count;
}

/* The same of the classic batch */
static double cost_of_batch(unsigned int count)
{
	int i, calls = count == 1 ? CALLS : 1, rounds = count == 1 ? 1 : 10;
	struct msr_batch_op *ops = calloc(count, sizeof(*ops));
	struct msr_batch_array batch = { .numops = count, .ops = ops };
	uint64_t began, took, best = UINT64_MAX;
	unsigned int j;

	if (!ops)
		err(EXIT_FAILURE, NULL);
	for (j = 0; j < count; j++) {
		ops[j].isrdmsr = 1;
		ops[j].msr = FIRST_MSR + j % ENTRIES;
	}
	while (rounds--) {
		began = now();
		for (i = 0; i < calls; i++)
			if (ioctl(batch_fd, X86_IOC_MSR_BATCH, &batch))
				err(EXIT_FAILURE, "X86_IOC_MSR_BATCH");
		took = now() - began;
		if (took < best)
			best = took;
	}
	free(ops);
	return (double)best / calls / count;
}

static double cost_of_pread(void)
{
	int fd = open_or_die("/dev/cpu/0/msr_safe", O_RDONLY);
	uint64_t value, began = now();
	int i;

	for (i = 0; i < CALLS; i++)
		if (pread(fd, &value, sizeof(value), FIRST_MSR) != sizeof(value))
			err(EXIT_FAILURE, "pread");
	close(fd);
	return (double)(now() - began) / CALLS;
}

/* One read of a wait that nothing ends */
static double cost_of_probe(void)
{
	struct msr_op op = { .msr = FIRST_MSR, .flags = MSR_OP_POLL, .limit_us = 20000 };
	struct msr_ops head = head_of(&op, 1);
	uint64_t began = now();

	if (ioctl(sample_fd, MSR_IOC_OPS, &head) != 1 || op.err != -ETIME)
		errx(EXIT_FAILURE, "MSR_OP_POLL");
	return (double)(now() - began) / op.probes;
}

/* A loop of a user's that does nothing but be in the way. Returns how long it takes. */
static uint64_t be_busy(void)
{
	volatile unsigned int i;
	uint64_t began = now();

	for (i = 0; i < 60000000; i++)
		;
	return now() - began;
}

struct sampled {
	double each; /* instructions of a sample */
	double share; /* of the busy loop's time, in percent */
	double late; /* instructions from its time to a sample; the most, or of a loop the median */
};

static struct sampled sample_beside_busy_loop(uint64_t period_ns, uint64_t alone)
{
	const void *map;
	int session = prepare(8, 4096, &map);
	const struct msr_stream *stream = (const void *)((const char *)map + 4096);
	uint64_t took, records;

	start(session, period_ns);
	took = be_busy();
	records = stream->head;
	stop(session);
	close(session);
	return (struct sampled){
		.each = (double)(took - alone) / records,
		.share = 100.0 * (took - alone) / took,
		.late = stream->late_max_ns,
	};
}

static uint64_t null_timer_runs(void)
{
	int fd = open_or_die("/sys/module/nulltimer/parameters/count", O_RDONLY);
	char text[32] = "";

	if (read(fd, text, sizeof(text) - 1) <= 0)
		err(EXIT_FAILURE, "nulltimer");
	close(fd);
	return strtoull(text, NULL, 10);
}

/* What a run of a timer that does nothing takes, interrupt included, measured in the same way */
static double null_timer_beside_busy_loop(uint64_t period_ns, uint64_t alone)
{
	int fd = open_or_die("nulltimer.ko", O_RDONLY);
	uint64_t took, runs;
	char params[64];

	snprintf(params, sizeof(params), "cpu=0 period_ns=%" PRIu64, period_ns);
	if (syscall(SYS_finit_module, fd, params, 0))
		err(EXIT_FAILURE, "nulltimer.ko");
	close(fd);
	sleep(1); /* The kernel frees what was for loading alone. */
	runs = null_timer_runs();
	took = be_busy();
	runs = null_timer_runs() - runs;
	if (syscall(SYS_delete_module, "nulltimer", O_NONBLOCK))
		err(EXIT_FAILURE, "nulltimer");
	return (double)(took - alone) / runs;
}

static int compare(const void *a, const void *b)
{
	return *(const uint64_t *)a < *(const uint64_t *)b ? -1 : 1;
}

/* The same by a loop of a user's, with two system calls a sample. Another process is busy. */
static struct sampled loop_beside_busy_loop(uint64_t period_ns, uint64_t alone)
{
	struct shared {
		volatile int ended;
		uint64_t took;
	} *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	struct msr_batch_op ops[8] = { 0 };
	struct msr_batch_array batch = { .numops = 8, .ops = ops };
	static uint64_t late[1 << 16];
	unsigned int i, samples = 0;
	uint64_t due;
	pid_t pid;

	if (shared == MAP_FAILED)
		err(EXIT_FAILURE, "mmap");
	for (i = 0; i < 8; i++) {
		ops[i].isrdmsr = 1;
		ops[i].msr = FIRST_MSR + i;
	}
	pid = fork();
	if (pid < 0)
		err(EXIT_FAILURE, "fork");
	if (pid == 0) {
		struct sched_param param = { 0 };

		sched_setscheduler(0, SCHED_IDLE, &param);
		shared->took = be_busy();
		shared->ended = 1;
		_exit(0);
	}
	for (due = now(); !shared->ended; samples++) {
		struct timespec until;

		due += period_ns;
		until.tv_sec = due / 1000000000;
		until.tv_nsec = due % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		late[samples % (1 << 16)] = now() - due;
		if (ioctl(batch_fd, X86_IOC_MSR_BATCH, &batch))
			err(EXIT_FAILURE, "X86_IOC_MSR_BATCH");
	}
	waitpid(pid, NULL, 0);
	qsort(late, samples, sizeof(*late), compare);
	return (struct sampled){
		.each = (double)(shared->took - alone) / samples,
		.share = 100.0 * (shared->took - alone) / shared->took,
		.late = late[samples / 2],
	};
}

struct read {
	uint64_t points, records, lost;
	bool exact;
};

/* A reader that looks every 20 ms */
static struct read sample_and_read(uint64_t period_ns, uint64_t ms)
{
	const void *map;
	int session = prepare(8, 512, &map);
	const struct msr_ring *ring = map;
	struct msr_record *record = malloc(ring->record_size);
	struct msr_safe_ring reader;
	struct read read = { 0 };
	uint64_t until;

	msr_safe_ring_init(&reader, map, 0);
	start(session, period_ns);
	for (until = now() + ms * MS; now() < until;) {
		usleep(20000);
		while (msr_safe_ring_next(&reader, record))
			read.records++;
	}
	stop(session);
	while (msr_safe_ring_next(&reader, record))
		read.records++;
	read.points = (ring->stop_ns - ring->first_ns) / ring->period_ns + 1;
	read.lost = reader.lost + read.points - reader.stream->head;
	read.exact = read.points == reader.stream->head + reader.stream->late +
					    reader.stream->throttled + reader.stream->offline;
	close(session);
	free(record);
	return read;
}

static void row(const char *what, double cost, double goal, const char *beside, double base)
{
	printf("%-46s %8.1f", what, cost);
	if (goal)
		printf("  goal %6.1f", goal);
	else
		printf("             ");
	if (beside)
		printf("   %.2f of %s", cost / base, beside);
	putchar('\n');
}

int main(void)
{
	double pread_cost, batch_one, batch_many, nothing_slow, nothing_fast;
	struct sampled loop, slow, fast;
	struct read read;
	uint64_t alone;

	pin_to(0);
	batch_fd = open_or_die("/dev/cpu/msr_batch", O_RDONLY);
	sample_fd = open_or_die("/dev/cpu/msr_sample", O_RDONLY);
	load_list(ENTRIES);
	puts("Guest instructions, system call included, one CPU, list of 300 entries:");
	pread_cost = cost_of_pread();
	batch_one = cost_of_batch(1);
	batch_many = cost_of_batch(BATCH_OPS);
	row("pread of msr_safe", pread_cost, 0, NULL, 0);
	row("batch of 1 operation", batch_one, 0, NULL, 0);
	row("run of a session of 1 operation", cost_of_run(1), 740, "a batch", batch_one);
	row("an operation of a batch of 30000", batch_many, 0, NULL, 0);
	row("an operation of a session of 30000", cost_of_run(BATCH_OPS), 36, "that of a batch",
	    batch_many);
	row("a read of a wait for a change, own CPU", cost_of_probe(), 100, "pread", pread_cost);

	puts("A sample of 8 registers, interrupt included, beside a loop that is always busy:");
	be_busy();
	alone = be_busy();
	loop = loop_beside_busy_loop(MS, alone);
	slow = sample_beside_busy_loop(MS, alone);
	fast = sample_beside_busy_loop(MS / 10, alone);
	nothing_slow = null_timer_beside_busy_loop(MS, alone);
	nothing_fast = null_timer_beside_busy_loop(MS / 10, alone);
	row("by a loop that sleeps and runs a batch, 1 kHz", loop.each, 0, NULL, 0);
	row("by a timer, 1 kHz", slow.each, 1500, "the loop", loop.each);
	row("by a timer, 10 kHz", fast.each, 1500, "the loop", loop.each);
	row("what a timer that does nothing takes, 1 kHz", nothing_slow, 0, NULL, 0);
	row("what a timer that does nothing takes, 10 kHz", nothing_fast, 0, NULL, 0);
	row("what a sample takes more than that, 1 kHz", slow.each - nothing_slow, 300, NULL, 0);
	row("what a sample takes more than that, 10 kHz", fast.each - nothing_fast, 300, NULL, 0);
	row("how late the loop is, the median", loop.late, 0, NULL, 0);
	row("how late the timer is, 1 kHz, the most", slow.late, 2500, "the loop", loop.late);
	row("share of the CPU, the loop, percent", loop.share, 0, NULL, 0);
	row("share of the CPU, a timer, 1 kHz, percent", slow.share, 0, NULL, 0);
	row("share of the CPU, a timer, 10 kHz, percent", fast.share, 0, NULL, 0);
	read = sample_and_read(MS / 10, 2000);
	printf("10 kHz, a reader every 20 ms: lost %" PRIu64 " of %" PRIu64
	       " points (goal 0), each accounted for: %s\n",
	       read.lost, read.points, read.exact ? "yes" : "NO");
	return 0;
}
