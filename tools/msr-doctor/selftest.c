// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test on the hardware. It reads every listed register by the batch device and by the node of
 * each CPU, and measures how long that takes. It writes no register.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/reads.h"
#include "../common/say.h"
#include "doctor.h"

/* What became of one register on all CPUs */
struct tally {
	unsigned int same, changing, differs, absent, failed;
	int error;
};

/* Reads all listed registers of a CPU by its node. Returns 0, or a negative errno. */
static int read_by_node(const struct node *node, unsigned int cpu, struct msr_batch_op *ops)
{
	int fd = msr_safe_open_cpu(cpu, O_RDONLY, NULL);
	uint64_t value = 0;
	size_t i;

	if (fd < 0)
		return fd;
	for (i = 0; i < node->list.count; i++) {
		ops[i].err = msr_safe_read(fd, ops[i].msr, &value);
		ops[i].msrdata = value;
	}
	close(fd);
	return 0;
}

/*
 * A register that holds the same in batches before and after has to hold it by the node as well.
 * One that changes by itself cannot be compared.
 */
static void compare(struct tally *tally, const struct msr_batch_op *before,
		    const struct msr_batch_op *by_node, const struct msr_batch_op *after)
{
	if (before->err == -EIO && by_node->err == -EIO) {
		tally->absent++;
	} else if (before->err || after->err) {
		tally->failed++;
		tally->error = before->err ? before->err : after->err;
	} else if (by_node->err) {
		tally->differs++;
	} else if (before->msrdata != after->msrdata) {
		tally->changing++;
	} else if (by_node->msrdata != before->msrdata) {
		tally->differs++;
	} else {
		tally->same++;
	}
}

static void test_cpu(struct node *node, unsigned int cpu, struct tally *tallies, bool *no_node)
{
	struct reads before = { 0 }, by_node = { 0 }, after = { 0 };
	size_t i;

	for (i = 0; i < node->list.count; i++) {
		reads_add(&before, cpu, node->list.entries[i].msr);
		reads_add(&by_node, cpu, node->list.entries[i].msr);
		reads_add(&after, cpu, node->list.entries[i].msr);
	}
	if (!reads_run(&before, node->batch)) {
		if (read_by_node(node, cpu, by_node.ops)) {
			*no_node = true;
			memcpy(by_node.ops, before.ops, before.count * sizeof(*before.ops));
		}
		if (!reads_run(&after, node->batch))
			for (i = 0; i < node->list.count; i++)
				compare(&tallies[i], &before.ops[i], &by_node.ops[i],
					&after.ops[i]);
	}
	reads_free(&before);
	reads_free(&by_node);
	reads_free(&after);
}

static void say_register(const struct node *node, uint32_t msr, char *text, size_t size)
{
	struct msr_safe_register reg;

	if (node->registers && !msr_safe_registers_at(node->registers, msr, &reg))
		snprintf(text, size, "0x%08" PRIX32 " %s", msr, reg.name);
	else
		snprintf(text, size, "0x%08" PRIX32, msr);
}

static void report(const struct node *node, const struct tally *tallies, bool no_node)
{
	unsigned int cpus = msr_safe_cpus_count(&node->online), absent = 0, changing = 0;
	char name[160];
	size_t i;

	for (i = 0; i < node->list.count; i++) {
		const struct tally *tally = &tallies[i];

		say_register(node, node->list.entries[i].msr, name, sizeof(name));
		if (tally->differs)
			problem("registers",
				"%s differs between a batch and a single read on %u CPUs", name,
				tally->differs);
		if (tally->failed)
			problem("registers", "%s cannot be read on %u CPUs: %s", name,
				tally->failed, op_error(tally->error));
		if (tally->absent)
			line("         %s: not on %u of %u CPUs", name, tally->absent, cpus);
		absent += tally->absent > 0;
		changing += tally->changing > 0;
	}
	if (absent)
		note("registers",
		     "%u that are listed are absent; msr-allowlist probe --prune prints a list "
		     "without those",
		     absent);
	good("registers", "%zu registers of %u CPUs, read in batches%s; %u change by themselves",
	     node->list.count, cpus,
	     no_node ? " (this user cannot open the nodes of CPUs)" : " and one by one, agree",
	     changing);
}

void test_registers(struct node *node)
{
	struct tally *tallies;
	bool no_node = false;
	unsigned int cpu;

	if (node->batch < 0 || !node->list.count)
		return;
	tallies = calloc(node->list.count, sizeof(*tallies));
	if (!tallies) {
		problem("registers", "no memory for the test");
		return;
	}
	msr_safe_for_each_cpu(cpu, &node->online) test_cpu(node, cpu, tallies, &no_node);
	report(node, tallies, no_node);
	free(tallies);
}

#define ROUNDS 1000

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static int compare_times(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median time of a read by a descriptor, in nanoseconds; negative if it fails */
static double time_of_read(int fd, uint32_t msr)
{
	static double times[ROUNDS];
	uint64_t value;
	unsigned int i;
	double began;

	for (i = 0; i < ROUNDS; i++) {
		began = now_ns();
		if (pread(fd, &value, sizeof(value), msr) != sizeof(value))
			return -1;
		times[i] = now_ns() - began;
	}
	qsort(times, ROUNDS, sizeof(*times), compare_times);
	return times[ROUNDS / 2];
}

/* The same of a node of a CPU, as "msr_safe" or "msr"; negative if it cannot be opened */
static double time_of_node(unsigned int cpu, const char *name, uint32_t msr)
{
	char path[48];
	double time;
	int fd;

	snprintf(path, sizeof(path), "/dev/cpu/%u/%s", cpu, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	time = time_of_read(fd, msr);
	close(fd);
	return time;
}

static double time_of_batch(const struct node *node, uint32_t msr)
{
	struct reads reads = { 0 };
	double began, time, best = -1;
	unsigned int cpu, i;

	msr_safe_for_each_cpu(cpu, &node->online) reads_add(&reads, cpu, msr);
	for (i = 0; i < 100; i++) {
		began = now_ns();
		if (reads_run(&reads, node->batch))
			break;
		time = now_ns() - began;
		if (best < 0 || time < best)
			best = time;
	}
	reads_free(&reads);
	return best;
}

static void print_time(const char *what, double ns, double stock)
{
	if (ns < 0)
		return;
	if (stock > 0)
		line("         %-36s %10.0f ns; the msr driver %.0f ns", what, ns, stock);
	else
		line("         %-36s %10.0f ns", what, ns);
}

/* A register that can be read everywhere */
static bool find_readable(const struct node *node, uint32_t *msr)
{
	struct reads reads = { 0 };
	bool found = false;
	size_t i;

	for (i = 0; i < node->list.count; i++)
		reads_add(&reads, msr_safe_cpus_next(&node->online, 0), node->list.entries[i].msr);
	if (!reads_run(&reads, node->batch))
		for (i = 0; i < reads.count && !found; i++) {
			found = !reads.ops[i].err;
			*msr = reads.ops[i].msr;
		}
	reads_free(&reads);
	return found;
}

void test_latency(struct node *node)
{
	unsigned int here = msr_safe_cpus_next(&node->online, 0);
	unsigned int there = msr_safe_cpus_next(&node->online, here + 1);
	cpu_set_t before, one;
	uint32_t msr;

	if (node->batch < 0 || !find_readable(node, &msr))
		return;
	CPU_ZERO(&one);
	CPU_SET(here, &one);
	if (here >= CPU_SETSIZE || sched_getaffinity(0, sizeof(before), &before) ||
	    sched_setaffinity(0, sizeof(one), &one)) {
		note("latency", "not measured: this process cannot move to CPU %u", here);
		return;
	}
	good("latency", "register 0x%08" PRIX32 ", from CPU %u, wall time, medians", msr, here);
	print_time("a read of the own CPU", time_of_node(here, "msr_safe", msr),
		   time_of_node(here, "msr", msr));
	if (there < MSR_SAFE_CPUS_MAX)
		print_time("a read of another CPU", time_of_node(there, "msr_safe", msr),
			   time_of_node(there, "msr", msr));
	print_time("a batch of one read on each CPU", time_of_batch(node, msr), 0);
	sched_setaffinity(0, sizeof(before), &before);
}
