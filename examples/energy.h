/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watts from the energy counters of processors: arithmetic alone.
 *
 * The counter is the low 32 bits of its register. It counts in a unit that another
 * register tells, in bits 12:8: 1 J is 2 to the power of that many counts. At 0xFFFFFFFF
 * it begins again with 0: after some minutes of load, or less.
 */
#ifndef EXAMPLES_ENERGY_H
#define EXAMPLES_ENERGY_H

#include <stdbool.h>
#include <stdint.h>

/* More than any package uses, in watts. */
#define MOST_WATTS 2000

/* Joules in one count; 0 if the register tells none, as in virtual machines */
static inline double energy_unit(uint64_t power_unit)
{
	return power_unit ? 1.0 / (UINT32_C(1) << (power_unit >> 8 & 0x1F)) : 0;
}

/*
 * For how many seconds at most two values of the counter tell what was used between
 * them. That it has begun again once is no matter, since the difference is taken modulo
 * 2^32, as the counter is. Once more would go unnoticed. So the time must be too short
 * for MOST_WATTS to bring it all the way round: with a unit of 2^-14 J that is 131
 * seconds, with 2^-16 J it is 32.
 */
static inline double longest_interval(double unit)
{
	return unit * 4294967296.0 / MOST_WATTS;
}

/*
 * The mean power between two reads of the counter, so many seconds apart. False if
 * they do not tell.
 */
static inline bool mean_watts(uint64_t before, uint64_t after, double unit, double seconds,
			      double *watts)
{
	uint32_t counts = after - before;

	if (!(seconds > 0 && seconds <= longest_interval(unit)))
		return false;
	*watts = counts * unit / seconds;
	return true;
}

#endif /* EXAMPLES_ENERGY_H */
