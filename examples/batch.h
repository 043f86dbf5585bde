/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the examples that read registers again and again have in common: the batch
 * device, time, and numbers on the command line.
 */
#ifndef EXAMPLES_BATCH_H
#define EXAMPLES_BATCH_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include <msr_safe.h>
#include <msr_version.h>

#define BATCH "/dev/cpu/msr_batch"

#define CLEAR_SCREEN "\033[H\033[J"

#define EXIT_USAGE 2
#define EXIT_SETUP 3

/* The program's own */
static void usage(FILE *out);

/* Seconds since some moment */
static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static inline void sleep_until(double time)
{
	struct timespec ts = { .tv_sec = time };

	ts.tv_nsec = (time - ts.tv_sec) * 1e9;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* What to do about an error of the device, or nothing known to do */
static inline const char *advice(int error)
{
	switch (error) {
	case ENOENT:
		return "\nIs the module loaded? As root: modprobe msr-safe, or make load in the tree";
	case EACCES:
		return "\nThe permissions of the file do not let you.\n"
		       "Ask the administrator to let you in, or become root.";
	case ENOPROTOOPT:
		return "\nThis program is built for another version than the module: compare\n"
		       "msr_version.h with /dev/cpu/msr_safe_version, and build it again.";
	default:
		return "";
	}
}

static inline int open_batch(void)
{
	int fd = open(BATCH, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		errx(EXIT_SETUP, "%s: %s%s", BATCH, strerror(errno), advice(errno));
	return fd;
}

/* What to show in the place of a value; @error as in err of an operation */
static inline const char *op_error(int error)
{
	switch (error) {
	case -ENXIO:
		return "offline";
	case -EACCES:
		return "not in the allowlist";
	case -EIO:
		return "no such register";
	default:
		return strerror(-error);
	}
}

/* Runs a batch. Errors of operations are left to be shown; those of the call itself end it. */
static inline void run_batch(int fd, struct msr_batch_op *ops, unsigned int count)
{
	struct msr_batch_array batch = {
		.numops = count,
		.version = MSR_SAFE_VERSION_u32,
		.ops = ops,
	};
	unsigned int i;
	int error;

	for (i = 0; i < count; i++)
		ops[i].err = 0;
	if (ioctl(fd, X86_IOC_MSR_BATCH, &batch) == 0)
		return;
	error = errno;
	for (i = 0; i < count; i++)
		if (ops[i].err)
			return;
	errx(EXIT_FAILURE, "%s: %s%s", BATCH, strerror(error), advice(error));
}

static inline void bad_option(const char *what, const char *value)
{
	warnx("%s: not %s", value, what);
	usage(stderr);
	exit(EXIT_USAGE);
}

static inline unsigned long number(const char *text, unsigned long max, const char *what)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || end == text || *end || strchr(text, '-') || value > max)
		bad_option(what, text);
	return value;
}

/* How often to do something; at least once */
static inline unsigned long how_often(const char *text)
{
	unsigned long value = number(text, UINT32_MAX, "a count");

	if (!value)
		bad_option("a count", text);
	return value;
}

static inline double seconds(const char *text)
{
	double value;
	char *end;

	value = strtod(text, &end);
	if (end == text || *end || !(value >= 0.001 && value <= 86400))
		bad_option("an interval of 0.001 to 86400 seconds", text);
	return value;
}

#endif /* EXAMPLES_BATCH_H */
