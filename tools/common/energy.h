/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Joules and watts from the energy counters of processors (RAPL).
 *
 * A counter is the low 32 bits of its register, in a unit that another register, or the model,
 * tells. It wraps around after some minutes of load, or less, so it is read often enough that
 * it can wrap at most once between two reads; differences are taken modulo 2^32.
 */
#ifndef COMMON_ENERGY_H
#define COMMON_ENERGY_H

#include "reads.h"
#include "topology.h"

/* More than anything uses that has a counter, in watts */
#define MOST_WATTS 2000

/* What is measured: a domain of a package, as "dram" of package 0 */
struct meter {
	const char *domain;
	int package, die;
	/* Since energy_mark() */
	bool good; /* all reads tell what was used */
	double seconds;
	double used; /* joules */
	/* Since the first read */
	double joules;
	unsigned int gaps; /* times between reads in which the counter may have wrapped twice */
	bool seen; /* it has been read at all */
};

struct counter {
	unsigned int meter; /* of the meters */
	size_t op, unit_op; /* of the reads */
	double fixed_unit; /* joules; 0 if the register of units tells */
	int core; /* for a counter of each core, else -1 */
	bool known;
	uint32_t value;
	double time;
};

struct energy {
	struct meter *meters;
	unsigned int nr_meters;
	struct counter *counters;
	unsigned int nr_counters;
	double longest; /* seconds between two reads, for all counters; 0 before the first read */
	uint32_t unlisted[8]; /* registers that the list does not have */
	unsigned int nr_unlisted;
};

/*
 * Adds reads of all counters that the processor may have. Returns 0, or -1 after printing that
 * counters of the processor are not known.
 */
int energy_init(struct energy *energy, const struct topology *topology, struct reads *reads);

/* Begins an interval, with the last read. */
void energy_mark(struct energy *energy);

/* Takes what the reads say, at a time in seconds. */
void energy_update(struct energy *energy, const struct reads *reads, double time);

/* Reads of CPUs that have gone offline become reads of others of the same package. */
void energy_retarget(struct energy *energy, const struct topology *topology, struct reads *reads);

/* After the first update: whether there is anything to measure; if not, prints why. */
bool energy_found(const struct energy *energy, const struct reads *reads);

/* Prints which counters the list does not have, if any. */
void energy_say_unlisted(const struct energy *energy);

/* The joules in one count, from the register of units; 0 if it says none, as in virtual machines */
double energy_unit(uint64_t units);

/* The longest time between two reads of a counter with this unit, in seconds */
double energy_longest_interval(double unit);

void energy_free(struct energy *energy);

#endif /* COMMON_ENERGY_H */
