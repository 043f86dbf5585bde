// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an access costs, beside system calls that do nothing and beside the
 * kernel's own msr driver, all measured in one boot.
 *
 *	bench path	a table of instructions a call. For a guest whose clock
 *			counts instructions (-icount shift=0) and one CPU.
 *	bench spread	a table of time an operation of a batch over 1, 2, 4, …
 *			CPUs. For any guest.
 */

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../../msr_safe.h"

#define BATCH_OPS	30000
#define CALLS		20000
#define FIRST_MSR	0x3000	/* no register there; reads 0 in the guest */

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		err(EXIT_FAILURE, "%s", path);
	return fd;
}

static void load_list(unsigned int entries)
{
	int fd = open_or_die("/dev/cpu/msr_allowlist", O_WRONLY);
	static char text[128 * 1024];
	size_t len = 0;
	unsigned int i;

	for (i = 0; i < entries; i++)
		len += snprintf(text + len, sizeof(text) - len, "0x%x 0x0\n", FIRST_MSR + i);
	if (write(fd, text, len) != (ssize_t)len)
		err(EXIT_FAILURE, "/dev/cpu/msr_allowlist");
	close(fd);
}

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

/* What a batch costs; the shortest of some, since other things happen, too */
static double cost_of_batch(int fd, unsigned int count, unsigned int entries, unsigned int cpus,
			    int calls)
{
	struct msr_batch_op *ops = make_ops(count, entries, cpus);
	uint64_t start, took, best = UINT64_MAX;
	int i;

	for (i = 0; i < calls; i++) {
		start = now();
		run_batch(fd, ops, count);
		took = now() - start;
		if (took < best)
			best = took;
	}
	free(ops);
	return best;
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
	small = cost_of_batch(fd, BATCH_OPS, 300, 1, 10) / BATCH_OPS;
	row("an operation of a batch of 30000", small, NULL, 0);
	load_list(4000);
	large = cost_of_batch(fd, BATCH_OPS, 4000, 1, 10) / BATCH_OPS;
	row("the same, list of 4000 entries", large, "that of 300", small);
}

static void spread(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	int fd = open_or_die("/dev/cpu/msr_batch", O_RDONLY);
	unsigned int cpus;
	double one = 0;

	load_list(300);
	printf("Time of a batch of %d operations over the first CPUs of %ld, and of a batch of one\n"
	       "operation on each, which is what the interrupts alone cost:\n"
	       "  CPUs   us a batch   ns an operation   of 1 CPU's   us, one on each\n",
	       BATCH_OPS, online);
	for (cpus = 1; cpus <= online; cpus *= 2) {
		double batch = cost_of_batch(fd, BATCH_OPS, 300, cpus, 15);
		double interrupts = cost_of_batch(fd, cpus, 1, cpus, 30);

		if (cpus == 1)
			one = batch;
		printf("%6u %12.0f %17.0f %12.2f %17.0f\n", cpus, batch / 1e3, batch / BATCH_OPS,
		       batch / one, interrupts / 1e3);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	cpu_set_t first;

	if (argc != 2 || (strcmp(argv[1], "path") && strcmp(argv[1], "spread")))
		errx(2, "usage: bench path | spread");
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	if (sched_setaffinity(0, sizeof(first), &first))
		err(EXIT_FAILURE, "sched_setaffinity");
	if (strcmp(argv[1], "path") == 0)
		path();
	else
		spread();
	return 0;
}
