// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an access costs, beside system calls that do nothing and beside the
 * kernel's own msr driver, all measured in one boot.
 *
 *	bench path	a table of instructions a call. For a guest whose clock
 *			counts instructions (-icount shift=0) and one CPU.
 *	bench demo	the few of these that `make demo` shows
 *	bench spread	a table of time an operation of a batch over 1, 2, 4, …
 *			CPUs. For any guest.
 *	bench stall	how long others wait while the last CPU does not answer for a
 *			second of every two, with batches that want that CPU and with
 *			batches that do not. For a guest of 4 CPUs with stall.ko.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#include "../../msr_safe.h"
#include "bench.h"

#define BATCH_OPS 30000
#define CALLS 20000
/* Operations that read the registers of a list, over all of some CPUs */
static struct msr_batch_op *make_ops(unsigned int count, unsigned int entries, unsigned int cpus)
{
	struct msr_batch_op *ops = calloc(count, sizeof(*ops));
	unsigned int i;

	if (!ops)
		err(EXIT_FAILURE, NULL);
	for (i = 0; i < count; i++) {
		ops[i].cpu = i % cpus;
		ops[i].isrdmsr = 1;
		ops[i].msr = FIRST_MSR + i % entries;
	}
	return ops;
}

static void run_batch(int fd, struct msr_batch_op *ops, unsigned int count)
{
	struct msr_batch_array batch = { .numops = count, .ops = ops };

	if (ioctl(fd, X86_IOC_MSR_BATCH, &batch))
		err(EXIT_FAILURE, "X86_IOC_MSR_BATCH");
}

static double cost_of_pread(const char *path)
{
	int fd = open_or_die(path, O_RDONLY);
	uint64_t value, start;
	int i;

	if (pread(fd, &value, sizeof(value), FIRST_MSR) != sizeof(value))
		err(EXIT_FAILURE, "%s", path);
	start = now();
	for (i = 0; i < CALLS; i++)
		pread(fd, &value, sizeof(value), FIRST_MSR);
	start = now() - start;
	close(fd);
	return (double)start / CALLS;
}

static double cost_of_no_ioctl(int fd)
{
	uint64_t start = now();
	int i;

	for (i = 0; i < CALLS; i++)
		ioctl(fd, 0, NULL);
	return (double)(now() - start) / CALLS;
}

/* An operation of a large batch on one CPU; the quickest of some batches */
static double cost_of_op(int fd, unsigned int entries)
{
	struct msr_batch_op *ops = make_ops(BATCH_OPS, entries, 1);
	uint64_t start, took, best = UINT64_MAX;
	int i;

	for (i = 0; i < 10; i++) {
		start = now();
		run_batch(fd, ops, BATCH_OPS);
		took = now() - start;
		if (took < best)
			best = took;
	}
	free(ops);
	return (double)best / BATCH_OPS;
}

static double cost_of_batch_of_one(int fd)
{
	struct msr_batch_op *ops = make_ops(1, 1, 1);
	uint64_t start = now();
	int i;

	for (i = 0; i < CALLS; i++)
		run_batch(fd, ops, 1);
	free(ops);
	return (double)(now() - start) / CALLS;
}

static atomic_bool stop;
static uint64_t longest_wait;

/* How long after its time does a real-time thread on the same CPU run? */
static void *wait_and_wait(void *arg)
{
	struct timespec ts;
	uint64_t due, late;

	(void)arg;
	longest_wait = 0;
	due = now();
	while (!atomic_load(&stop)) {
		due += 300000;
		ts.tv_sec = due / 1000000000;
		ts.tv_nsec = due % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		late = now() - due;
		if (late > longest_wait)
			longest_wait = late;
	}
	return NULL;
}

static pthread_t start_thread(void *(*function)(void *arg), void *arg, int fifo_priority)
{
	struct sched_param param = { .sched_priority = fifo_priority };
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	if (fifo_priority) {
		pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
		pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
		pthread_attr_setschedparam(&attr, &param);
	}
	if (pthread_create(&thread, &attr, function, arg))
		errx(EXIT_FAILURE, "no thread");
	return thread;
}

static double longest_wait_during(int fd, unsigned int count)
{
	struct msr_batch_op *ops = make_ops(count, 300, 1);
	pthread_t thread;
	int i;

	atomic_store(&stop, false);
	thread = start_thread(wait_and_wait, NULL, 50);
	for (i = 0; i < 4; i++)
		run_batch(fd, ops, count);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	free(ops);
	return longest_wait;
}

static void row(const char *what, double cost, const char *beside, double base)
{
	printf("%-46s %8.1f", what, cost);
	if (beside)
		printf("   %.2f of %s", cost / base, beside);
	putchar('\n');
}

static void path(void)
{
	int fd = open_or_die("/dev/cpu/msr_batch", O_RDONLY);
	double zero, none, small, large;

	load_list(300);
	zero = cost_of_pread("/dev/zero");
	none = cost_of_no_ioctl(fd);
	puts("Guest instructions, system call included, one CPU, list of 300 entries:");
	row("pread of 8 bytes, /dev/zero", zero, NULL, 0);
	row("pread of 8 bytes, msr", cost_of_pread("/dev/cpu/0/msr"), "/dev/zero", zero);
	row("pread of 8 bytes, msr_safe", cost_of_pread("/dev/cpu/0/msr_safe"), "/dev/zero", zero);
	row("ioctl that does nothing", none, NULL, 0);
	row("batch of 1 operation", cost_of_batch_of_one(fd), "no ioctl", none);
	small = cost_of_op(fd, 300);
	row("an operation of a batch of 30000", small, NULL, 0);
	load_list(4000);
	large = cost_of_op(fd, 4000);
	row("the same, list of 4000 entries", large, "that of 300", small);
	load_list(300);
	row("longest wait of a real-time thread, batch of 1", longest_wait_during(fd, 1), NULL, 0);
	row("the same, batches of 131072", longest_wait_during(fd, MSR_BATCH_MAX_OPS), NULL, 0);
}

/* The same for people who see it for the first time */
static void demo(void)
{
	int fd = open_or_die("/dev/cpu/msr_batch", O_RDONLY);
	double stock = cost_of_pread("/dev/cpu/0/msr");

	load_list(300);
	puts("Instructions for one access to a register, system call included:");
	row("the kernel's msr driver", stock, NULL, 0);
	row("msr-safe, with a list of 300 registers", cost_of_pread("/dev/cpu/0/msr_safe"), "that",
	    stock);
	row("msr-safe, one of a batch of 30000", cost_of_op(fd, 300), "that", stock);
}

/* How many function call interrupts there have been, on all CPUs */
static uint64_t interrupts(void)
{
	static char line[1 << 14];
	FILE *file = fopen("/proc/interrupts", "r");
	uint64_t sum = 0;

	if (!file)
		err(EXIT_FAILURE, "/proc/interrupts");
	while (fgets(line, sizeof(line), file)) {
		char *at = strstr(line, "CAL:");
		char *after;

		if (!at)
			continue;
		for (at += 4;; at = after) {
			uint64_t number = strtoull(at, &after, 10);

			if (after == at)
				break;
			sum += number;
		}
	}
	fclose(file);
	return sum;
}

struct cost {
	double ns;
	uint64_t interrupts;
};

/* The quickest of some calls of a batch, and the interrupts that it took */
static struct cost quickest_batch(int fd, unsigned int count, unsigned int cpus, int calls)
{
	struct msr_batch_op *ops = make_ops(count, 300, cpus);
	struct cost best = { .ns = 1e18 };
	int i;

	for (i = 0; i < calls; i++) {
		uint64_t before = interrupts();
		uint64_t start = now();
		uint64_t took;

		run_batch(fd, ops, count);
		took = now() - start;
		if (took < best.ns) {
			best.ns = took;
			best.interrupts = interrupts() - before;
		}
	}
	free(ops);
	return best;
}

static void spread(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	int fd = open_or_die("/dev/cpu/msr_batch", O_RDONLY);
	unsigned int cpus;

	load_list(300);
	printf("Batches of %d operations over some of %ld CPUs, wall time, the quickest of each. What\n"
	       "an interrupt costs is seen in a batch of one operation on each CPU; the last column\n"
	       "is without interrupts.\n"
	       "  CPUs  us a batch  interrupts  us each  ns an operation  without interrupts\n",
	       BATCH_OPS, online);
	for (cpus = 1; cpus <= online; cpus *= 2) {
		struct cost batch = quickest_batch(fd, BATCH_OPS, cpus, 300);
		struct cost one = quickest_batch(fd, cpus, cpus, 300);
		double each = cpus > 1 ? one.ns / (cpus - 1) : 0;

		printf("%6u %11.0f %11" PRIu64 " %8.1f %16.0f %19.0f\n", cpus, batch.ns / 1e3,
		       batch.interrupts, each / 1e3, batch.ns / BATCH_OPS,
		       (batch.ns - batch.interrupts * each) / BATCH_OPS);
		fflush(stdout);
	}
}

#define STALL_SECONDS 12
#define READ_CPU 2

/* Reads a register of a CPU that answers; the longest that this takes is its result. */
static void *read_and_read(void *arg)
{
	uint64_t *longest = arg, value, start, took;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/cpu/%d/msr_safe", READ_CPU);
	fd = open_or_die(path, O_RDONLY);
	pin_to(READ_CPU - 1);
	while (!atomic_load(&stop)) {
		start = now();
		if (pread(fd, &value, sizeof(value), FIRST_MSR) != sizeof(value))
			err(EXIT_FAILURE, "pread");
		took = now() - start;
		if (took > *longest)
			*longest = took;
		usleep(300);
	}
	close(fd);
	return NULL;
}

/* Batches from CPU 0 for CPU 1 to @last */
static void *batch_after_batch(void *arg)
{
	unsigned int last = *(unsigned int *)arg, i;
	struct msr_batch_op *ops = make_ops(3000, 300, 1);
	int fd = open_or_die("/dev/cpu/msr_batch", O_RDONLY);

	pin_to(0);
	for (i = 0; i < 3000; i++)
		ops[i].cpu = 1 + i % last;
	while (!atomic_load(&stop))
		run_batch(fd, ops, 3000);
	close(fd);
	free(ops);
	return NULL;
}

struct waits {
	double fifo, read; /* ns */
};

static struct waits waits_beside_batches(unsigned int last)
{
	uint64_t longest_read = 0;
	pthread_t threads[3];
	unsigned int i;

	atomic_store(&stop, false);
	threads[0] = start_thread(batch_after_batch, &last, 0);
	threads[1] = start_thread(wait_and_wait, NULL, 50);
	threads[2] = start_thread(read_and_read, &longest_read, 0);
	sleep(STALL_SECONDS);
	atomic_store(&stop, true);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return (struct waits){ .fifo = longest_wait, .read = longest_read };
}

static void stall(void)
{
	unsigned int last = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	int go = open_or_die("/sys/module/stall/parameters/go", O_WRONLY);
	struct waits without, with;

	load_list(300);
	if (write(go, "1", 1) != 1)
		err(EXIT_FAILURE, "go");
	without = waits_beside_batches(last - 1);
	with = waits_beside_batches(last);
	printf("CPU %u has interrupts off for a second of every two. Longest wait in %d seconds, ms,\n"
	       "beside batches from CPU 0 for CPUs 1 to %u, and for CPUs 1 to %u:\n",
	       last, STALL_SECONDS, last - 1, last);
	printf("%-46s %8.1f %8.1f   %.2f\n", "a real-time task on CPU 0", without.fifo / 1e6,
	       with.fifo / 1e6, with.fifo / without.fifo);
	printf("%-46s %8.1f %8.1f   %.2f\n", "a pread of CPU 2", without.read / 1e6,
	       with.read / 1e6, with.read / without.read);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} modes[] = {
		{ "path", path }, { "demo", demo }, { "spread", spread }, { "stall", stall }
	};
	unsigned int i;

	pin_to(0);
	for (i = 0; argc == 2 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name) == 0) {
			modes[i].run();
			return 0;
		}
	}
	errx(2, "usage: bench path | demo | spread | stall");
}
