/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * msr-record: samples registers into a file.
 */
#ifndef MSR_RECORD_H
#define MSR_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../../lib/libmsrsafe.h"

#define NAME_SIZE 64

enum status { EXIT_GOOD, EXIT_INCOMPLETE, EXIT_USAGE, EXIT_NOTHING };

/* A register that is sampled, and what its column is called */
struct column {
	uint32_t msr;
	char name[NAME_SIZE];
};

struct options {
	struct column columns[MSR_SAMPLE_MAX_OPS];
	unsigned int nr_columns;
	struct msr_safe_cpus cpus;
	bool some_cpus;
	double rate; /* a second */
	double hold; /* on change: seconds of rest after a record; or 0 */
	double duration; /* in seconds; 0 is without end */
	bool stagger;
	bool strict;
	bool binary;
	bool quiet;
	const char *output; /* NULL is standard output */
	const char *convert; /* a file to convert, and nothing is sampled */
	char **command; /* NULL if there is none */
};

/* Return: -1 to go on, or a status to exit with. */
int parse_options(struct options *options, int argc, char *argv[]);

/*
 * What records are like: the head of a binary file, which the names of the columns follow,
 * NAME_SIZE bytes each. A number and a record of record_size bytes follow for each sample: the
 * number of its CPU and 0, 32 bits each. All numbers are little-endian.
 */
struct head {
	char magic[8];
	uint32_t nr_columns;
	uint32_t record_size;
	uint64_t tsc_khz;
	uint64_t start_ns;
	uint64_t start_tsc;
	uint64_t period_ns;
};

struct output {
	FILE *file;
	const char *path;
	bool binary;
	struct head head;
	const struct column *columns;
};

/* Return: 0, or -1 after printing why. */
int output_open(struct output *output, const struct options *options, const struct msr_ring *ring);
int output_record(struct output *output, uint32_t cpu, const struct msr_record *record);
int output_flush(struct output *output);
int output_close(struct output *output);

/* Return: a status. */
int convert(const struct options *options);
int record(const struct options *options);

#endif /* MSR_RECORD_H */
