/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * msr-top: what CPUs and packages do.
 */
#ifndef MSR_TOP_H
#define MSR_TOP_H

#include "../common/energy.h"
#include "../common/reads.h"
#include "../common/topology.h"

enum status { EXIT_GOOD, EXIT_ERROR, EXIT_USAGE, EXIT_SETUP };

/* What is shown: of CPUs, then of packages */
enum column {
	BUSY,
	AVG_MHZ,
	BUSY_MHZ,
	CORE_TEMP,
	CORE_C1,
	CORE_C3,
	CORE_C6,
	CORE_C7,
	FIRST_OF_PACKAGES,
	PACKAGE_TEMP = FIRST_OF_PACKAGES,
	UNCORE_MHZ,
	PACKAGE_C2,
	PACKAGE_C3,
	PACKAGE_C6,
	PACKAGE_C7,
	PACKAGE_C8,
	PACKAGE_C9,
	PACKAGE_C10,
	FIRST_WATTS,
	PACKAGE_WATTS = FIRST_WATTS,
	CORES_WATTS,
	GRAPHICS_WATTS,
	DRAM_WATTS,
	PLATFORM_WATTS,
	NR_COLUMNS,
};

struct column_info {
	const char *key; /* for options, CSV and JSON: with the unit */
	const char *title; /* for tables, at most 7 characters */
	int decimals;
};

extern const struct column_info column_infos[NR_COLUMNS];

struct row {
	int package, die;
	int core, cpu; /* -1 for a row of a package, or of all */
	double value[NR_COLUMNS]; /* NAN for one that is not known */
};

/* All of an interval. Rows of CPUs are in the order of the topology. */
struct view {
	struct row all;
	struct row *packages, *cpus;
	unsigned int nr_packages, nr_cpus;
	double time; /* when it ended, from the start */
	double seconds;
};

/* What registers are read for; core and package tell how many CPUs have them in common. */
enum source {
	TSC,
	MPERF,
	APERF,
	THERM,
	C1,
	C3,
	C6,
	C7,
	TARGET,
	PACKAGE_THERM,
	UNCORE,
	PC2,
	PC3,
	PC6,
	PC7,
	PC8,
	PC9,
	PC10,
	NR_SOURCES,
};

struct machine {
	int fd;
	struct topology topology;
	struct reads reads;
	struct energy energy;
	bool has_energy;
	size_t (*op)[NR_SOURCES]; /* of the reads, for each place */
	bool dead[NR_SOURCES]; /* the list or the processor does not have it */
	char unlisted[1024]; /* names of registers that the list does not have */
	double multiplier; /* of MPERF and APERF */
	double start;
	uint64_t tsc; /* of this CPU, for a list without the register */
	double time;
	/* The same when the interval began */
	struct msr_batch_op *base;
	uint64_t base_tsc;
	double base_time;
	unsigned int looks;
};

/* Opens the device, and finds what can be read. Returns -1 to go on, or a status to exit with. */
int machine_open(struct machine *machine);
void machine_close(struct machine *machine);

/* Reads all registers, in one batch. Returns 0, or -1 after printing why not. */
int machine_look(struct machine *machine);

/* Begins an interval with the last look. */
void machine_mark(struct machine *machine);

/* What became of the interval until the last look. The rows belong to the view, for view_free(). */
void machine_view(const struct machine *machine, struct view *view);
void view_free(struct view *view);

/* Whether there are registers for a column */
bool machine_has(const struct machine *machine, enum column column);

/* The time until which registers have to be read again, for no counter to wrap unseen */
double machine_deadline(const struct machine *machine);

enum format { FULL_SCREEN, TEXT, CSV, JSON };

struct options {
	double interval;
	bool some_interval;
	unsigned long count; /* 0: until stopped */
	enum format format;
	bool summary; /* no CPUs */
	bool chosen; /* columns were named */
	bool columns[NR_COLUMNS];
	int sort; /* a column, or -1 for the order of CPUs */
	char **command;
};

/* Returns -1 to go on, or a status to exit with. */
int parse_options(struct options *options, int argc, char *argv[]);

/* Leaves only columns for which there are registers. */
void find_columns(struct options *options, const struct machine *machine);

/* Sorts the rows of CPUs, the highest value first. */
void sort_rows(struct view *view, int column);

/* Prints a view as text, CSV or JSON. */
void print_view(FILE *stream, const struct options *options, const struct view *view);

/*
 * Writes the title of a column, or the value of a row in it, to a buffer of CELL_SIZE bytes;
 * nothing for one that is not known.
 */
#define CELL_SIZE 32
void format_cell(char *cell, const struct row *row, enum column column);

/* The full-screen view. Returns a status. */
int show_screen(struct machine *machine, struct options *options);

#endif /* MSR_TOP_H */
