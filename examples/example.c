// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long it takes to write 0 to a register of every CPU, and to read them all
 * back: one CPU after the other with pwrite and pread, and all at once with two
 * batches.
 *
 * The register is MPERF, which counts cycles at a constant rate while its CPU is
 * not idle, and so shows by itself what went by from its write to its read. Who else
 * uses it, as turbostat does, sees it jump.
 *
 * Needs read and write permission for /dev/cpu/N/msr_safe and read permission for
 * /dev/cpu/msr_batch, and an allowlist that has every bit of MPERF writable.
 */

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <msr_safe.h>
#include <msr_version.h>
#include "cpus.h"

#define MSR_MPERF 0xE7

#define BATCH "/dev/cpu/msr_batch"
#define ALLOWLIST "/dev/cpu/msr_allowlist"
#define ONLINE "/sys/devices/system/cpu/online"

#define LIST "0xE7 0xFFFFFFFFFFFFFFFF # MPERF\n"

#define ROUNDS 20

#define EXIT_USAGE 2
#define EXIT_SETUP 3

/* What a way of access took: time, and the cycles that the registers counted */
struct latency {
	double microseconds;
	uint64_t least_cycles;
	uint64_t most_cycles;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

/* What to do about an error of a device, or nothing known to do */
static const char *advice(int error)
{
	switch (error) {
	case ENOENT:
		return "\nIs the module loaded? As root: modprobe msr-safe, or make load in the tree";
	case EACCES:
		return "\nThe permissions of the file do not let you.\n"
		       "Ask the administrator to let you in, or become root.";
	case EPERM:
		return "\nThe kernel is locked down; registers can only be read.";
	case ENXIO:
		return "\nThe CPU has gone offline; try again.";
	case EMFILE:
		return "\nOne file is opened for each CPU; raise the limit with ulimit -n.";
	case ENOPROTOOPT:
		return "\nThis program is built for another version than the module: compare\n"
		       "msr_version.h with /dev/cpu/msr_safe_version, and build it again.";
	default:
		return "";
	}
}

static int open_device(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		errx(EXIT_SETUP, "%s: %s%s", path, strerror(errno), advice(errno));
	return fd;
}

static int open_cpu(unsigned int cpu)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/cpu/%u/msr_safe", cpu);
	/* With the module loaded, a CPU without a device has just gone offline. */
	if (access(path, F_OK) && access(BATCH, F_OK) == 0)
		errx(EXIT_FAILURE, "%s: %s%s", path, strerror(errno), advice(ENXIO));
	return open_device(path, O_RDWR);
}

/* Takes the place of whatever list there is. */
static void load_list(void)
{
	int fd = open_device(ALLOWLIST, O_WRONLY);

	if (write(fd, LIST, strlen(LIST)) != (ssize_t)strlen(LIST))
		err(EXIT_FAILURE, "%s", ALLOWLIST);
	close(fd);
}

/*
 * Runs a batch. The error that the call returns is the first of an operation's, and
 * those are told from errors of the call itself by whether an operation has one.
 */
static void run_batch(int fd, struct msr_batch_op *ops, unsigned int count)
{
	struct msr_batch_array batch = {
		.numops = count,
		.version = MSR_SAFE_VERSION_u32,
		.ops = ops,
	};
	unsigned int i;
	int error;

	if (ioctl(fd, X86_IOC_MSR_BATCH, &batch) == 0)
		return;
	error = errno;
	for (i = 0; i < count; i++)
		if (ops[i].err)
			errx(EXIT_FAILURE, "%s: CPU %u, register 0x%X: %s%s", BATCH, ops[i].cpu,
			     ops[i].msr, strerror(-ops[i].err),
			     ops[i].err == -EACCES ? "\nThe allowlist has been changed." :
						     advice(-ops[i].err));
	errx(EXIT_FAILURE, "%s: %s%s", BATCH, strerror(error), advice(error));
}

static struct msr_batch_op *make_ops(const unsigned int *cpus, unsigned int count, bool read)
{
	struct msr_batch_op *ops = calloc(count, sizeof(*ops));
	unsigned int i;

	if (!ops)
		err(EXIT_FAILURE, NULL);
	for (i = 0; i < count; i++) {
		ops[i].cpu = cpus[i];
		ops[i].isrdmsr = read;
		ops[i].msr = MSR_MPERF;
	}
	return ops;
}

/* A read tells the write mask, too, so nobody need read the allowlist itself. */
static void check_list(unsigned int cpu)
{
	int fd = open_device(BATCH, O_RDONLY);
	struct msr_batch_op op = { .cpu = cpu, .isrdmsr = 1, .msr = MSR_MPERF };
	struct msr_batch_array batch = {
		.numops = 1,
		.version = MSR_SAFE_VERSION_u32,
		.ops = &op,
	};

	if (ioctl(fd, X86_IOC_MSR_BATCH, &batch) && op.err != -EACCES)
		errx(EXIT_FAILURE, "%s: register 0x%X: %s%s", BATCH, MSR_MPERF, strerror(errno),
		     advice(errno));
	if (op.err == -EACCES || op.wmask != UINT64_MAX)
		errx(EXIT_SETUP,
		     "the allowlist does not let all of register 0x%X (MPERF) be written\n"
		     "It needs the line: " LIST
		     "With --load-list, this program puts that line in the place of the list.",
		     MSR_MPERF);
	close(fd);
}

static void count_cycles(struct latency *latency, uint64_t cycles)
{
	if (cycles < latency->least_cycles)
		latency->least_cycles = cycles;
	if (cycles > latency->most_cycles)
		latency->most_cycles = cycles;
}

static void access_cpu(int fd, unsigned int cpu, uint64_t *value, bool read)
{
	ssize_t done = read ? pread(fd, value, sizeof(*value), MSR_MPERF) :
			      pwrite(fd, value, sizeof(*value), MSR_MPERF);

	if (done != sizeof(*value))
		errx(EXIT_FAILURE, "/dev/cpu/%u/msr_safe: %s register 0x%X: %s%s", cpu,
		     read ? "reading" : "writing", MSR_MPERF, strerror(errno),
		     errno == EACCES ? "\nThe allowlist has been changed." : advice(errno));
}

static struct latency measure_serial(const unsigned int *cpus, unsigned int count)
{
	struct latency latency = { .least_cycles = UINT64_MAX };
	uint64_t *values = calloc(count, sizeof(*values));
	int *fds = calloc(count, sizeof(*fds));
	unsigned int i;
	double start;

	if (!values || !fds)
		err(EXIT_FAILURE, NULL);
	for (i = 0; i < count; i++)
		fds[i] = open_cpu(cpus[i]);

	start = now();
	for (i = 0; i < count; i++)
		access_cpu(fds[i], cpus[i], &values[i], false);
	for (i = 0; i < count; i++)
		access_cpu(fds[i], cpus[i], &values[i], true);
	latency.microseconds = now() - start;

	for (i = 0; i < count; i++) {
		count_cycles(&latency, values[i]);
		close(fds[i]);
	}
	free(values);
	free(fds);
	return latency;
}

static struct latency measure_batch(const unsigned int *cpus, unsigned int count)
{
	struct latency latency = { .least_cycles = UINT64_MAX };
	struct msr_batch_op *writes = make_ops(cpus, count, false);
	struct msr_batch_op *reads = make_ops(cpus, count, true);
	int fd = open_device(BATCH, O_RDONLY);
	unsigned int i;
	double start;

	start = now();
	run_batch(fd, writes, count);
	run_batch(fd, reads, count);
	latency.microseconds = now() - start;

	for (i = 0; i < count; i++)
		count_cycles(&latency, reads[i].msrdata);
	close(fd);
	free(writes);
	free(reads);
	return latency;
}

/* The quickest of some, since other things happen on a machine, too */
static struct latency quickest(struct latency (*measure)(const unsigned int *cpus,
							 unsigned int count),
			       const unsigned int *cpus, unsigned int count)
{
	struct latency best = measure(cpus, count);
	int i;

	for (i = 1; i < ROUNDS; i++) {
		struct latency latency = measure(cpus, count);

		if (latency.microseconds < best.microseconds)
			best = latency;
	}
	return best;
}

static void show(const char *way, const struct latency *latency)
{
	printf("%-8s %10.1f us", way, latency->microseconds);
	if (latency->most_cycles)
		printf("   %" PRIu64 " to %" PRIu64 " cycles", latency->least_cycles,
		       latency->most_cycles);
	putchar('\n');
}

static void usage(FILE *out)
{
	fputs("Usage: example [OPTION]...\n"
	      "Measures how long it takes to write 0 to MPERF (0xE7) of every online CPU and to\n"
	      "read it back, one CPU after the other and in batches.\n"
	      "\n"
	      "  -l, --load-list   first replace the allowlist with the one line this needs\n"
	      "  -h, --help        print this\n"
	      "\n"
	      "Exit status: 0 measured; 1 an access failed; 2 wrong usage; 3 the module, the\n"
	      "permissions or the allowlist are not set up for it.\n",
	      out);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "load-list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct latency serial, batch;
	unsigned int *cpus;
	unsigned int count;
	bool load = false;
	int option;

	while ((option = getopt_long(argc, argv, "lh", options, NULL)) != -1) {
		switch (option) {
		case 'l':
			load = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return EXIT_USAGE;
	}

	count = read_cpus(ONLINE, &cpus);
	if (load)
		load_list();
	check_list(cpus[0]);
	serial = quickest(measure_serial, cpus, count);
	batch = quickest(measure_batch, cpus, count);
	free(cpus);

	printf("From the first write to the last read, on %u CPUs, the quickest of %d:\n", count,
	       ROUNDS);
	show("serial", &serial);
	show("batch", &batch);
	if (!serial.most_cycles && !batch.most_cycles)
		puts("MPERF does not count here, as in an emulated machine: no cycles to show.");
	return EXIT_SUCCESS;
}
