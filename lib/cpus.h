/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets of logical CPUs, and how they are written: 0-3,8,10-20:2
 */
#ifndef LIB_CPUS_H
#define LIB_CPUS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* As many as struct msr_batch_op can number */
#define CPUS_MAX 65536

struct cpus {
	uint64_t bits[CPUS_MAX / 64];
};

static inline void cpus_add(struct cpus *set, unsigned int cpu)
{
	set->bits[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

static inline bool cpus_has(const struct cpus *set, unsigned int cpu)
{
	return set->bits[cpu / 64] >> cpu % 64 & 1;
}

/* The first CPU of the set that is not below @from; CPUS_MAX if there is none. */
unsigned int cpus_from(const struct cpus *set, unsigned int from);

#define for_each_cpu_of(cpu, set) \
	for ((cpu) = cpus_from(set, 0); (cpu) < CPUS_MAX; (cpu) = cpus_from(set, (cpu) + 1))

static inline bool cpus_empty(const struct cpus *set)
{
	return cpus_from(set, 0) == CPUS_MAX;
}

unsigned int cpus_count(const struct cpus *set);

/* CPUs that are in both; those of @a that are not in @b */
struct cpus cpus_both(const struct cpus *a, const struct cpus *b);
struct cpus cpus_without(const struct cpus *a, const struct cpus *b);

/*
 * Reads a list as taskset(1) takes it: numbers and ranges, where the number after a
 * colon is the step of a range. False if it is not one.
 */
bool cpus_parse(struct cpus *set, const char *text);

/* The same where more text follows: moves *@text past the list. */
bool cpus_scan(struct cpus *set, const char **text);

/* Writes the set as ranges, in the way that the kernel writes them. */
void cpus_print(FILE *stream, const struct cpus *set);

/* The CPUs that are on line. Returns 0, or -1 with errno set. */
int cpus_online(struct cpus *set);

#endif /* LIB_CPUS_H */
