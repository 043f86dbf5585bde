/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * msr-power: watts and joules.
 */
#ifndef MSR_POWER_H
#define MSR_POWER_H

#include "../common/energy.h"

enum status { EXIT_GOOD, EXIT_ERROR, EXIT_USAGE, EXIT_SETUP };

enum format { TEXT, CSV, JSON };

struct options {
	double interval;
	bool some_interval; /* it was given */
	unsigned long count; /* 0: until stopped */
	enum format format;
	const char *metrics; /* the file of --openmetrics, or NULL */
	char **command; /* or NULL */
};

/* Returns -1 to go on, or a status to exit with. */
int parse_options(struct options *options, int argc, char *argv[]);

/* Prints what was used between the last two reads; @time is when that began, in seconds. */
void print_interval(const struct options *options, const struct energy *energy, double time);

/* Prints to standard error what a command used. */
void print_summary(const struct options *options, const struct energy *energy, double seconds);

/*
 * Writes the file for Prometheus, in one step. It goes on counting from the file that is there, if
 * that is of this boot. Returns 0, or -1 after printing why it is not written.
 */
int write_metrics(const char *path, const struct energy *energy, double time);

/*
 * Takes the values of counters from the file that is there, as if this program had just read
 * them; files that are no such are ignored.
 */
void read_metrics(const char *path, struct energy *energy);

#endif /* MSR_POWER_H */
