/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmarks of devices have in common.
 */
#ifndef BENCH_H
#define BENCH_H

#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FIRST_MSR 0x3000 /* no register there; reads 0 in the guest */

static inline uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static inline int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		err(EXIT_FAILURE, "%s", path);
	return fd;
}

static inline void load_list(unsigned int entries)
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

static inline void pin_to(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(EXIT_FAILURE, "sched_setaffinity");
}

#endif /* BENCH_H */
