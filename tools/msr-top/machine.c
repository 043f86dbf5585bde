// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is read, and what that means.
 */

#include <err.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "../../lib/processor.h"
#include "../common/parse.h"
#include "../common/say.h"
#include "../common/ticks.h"
#include "top.h"

#define NO_OP SIZE_MAX

/* After so many looks, CPUs may have come online. */
#define LOOKS_OF_A_TOPOLOGY 10

enum level { THREAD, CORE, PACKAGE };

static const struct {
	const char *name; /* in the tables of registers */
	enum level level;
} sources[NR_SOURCES] = {
	[TSC] = { "TIME_STAMP_COUNTER", THREAD },
	[MPERF] = { "MPERF", THREAD },
	[APERF] = { "APERF", THREAD },
	[THERM] = { "THERM_STATUS", CORE },
	[C1] = { "CORE_C1_RESIDENCY", CORE },
	[C3] = { "CORE_C3_RESIDENCY", CORE },
	[C6] = { "CORE_C6_RESIDENCY", CORE },
	[C7] = { "CORE_C7_RESIDENCY", CORE },
	[TARGET] = { "TEMPERATURE_TARGET", PACKAGE },
	[PACKAGE_THERM] = { "PACKAGE_THERM_STATUS", PACKAGE },
	[UNCORE] = { "UNCORE_PERF_STATUS", PACKAGE },
	[PC2] = { "PKG_C2_RESIDENCY", PACKAGE },
	[PC3] = { "PKG_C3_RESIDENCY", PACKAGE },
	[PC6] = { "PKG_C6_RESIDENCY", PACKAGE },
	[PC7] = { "PKG_C7_RESIDENCY", PACKAGE },
	[PC8] = { "PKG_C8_RESIDENCY", PACKAGE },
	[PC9] = { "PKG_C9_RESIDENCY", PACKAGE },
	[PC10] = { "PKG_C10_RESIDENCY", PACKAGE },
};

/* The addresses of the sources on this processor; those that it does not have are dead. */
static int find_sources(struct machine *machine, uint32_t msrs[NR_SOURCES])
{
	struct msr_safe_registers *registers;
	struct msr_safe_register reg;
	unsigned int s;

	if (read_registers(&registers))
		return -1;
	for (s = 0; s < NR_SOURCES; s++) {
		if (msr_safe_registers_find(registers, sources[s].name, &reg) || reg.foreign)
			machine->dead[s] = true;
		else
			msrs[s] = reg.msr;
	}
	msr_safe_registers_free(registers);
	return 0;
}

/* Registers that CPUs have in common are read on the first of them. */
static bool is_read_here(const struct topology *topology, unsigned int i, enum level level)
{
	return level == THREAD || (level == CORE && is_first_of_core(topology, i)) ||
	       (level == PACKAGE && is_first_of_die(topology, i));
}

static void add_sources(struct machine *machine, const uint32_t msrs[NR_SOURCES])
{
	const struct topology *topology = &machine->topology;
	unsigned int i, s;

	machine->op = calloc(topology->count + 1, sizeof(*machine->op));
	if (!machine->op)
		err(EXIT_ERROR, "CPUs");
	for (i = 0; i < topology->count; i++) {
		for (s = 0; s < NR_SOURCES; s++) {
			if (machine->dead[s])
				machine->op[i][s] = NO_OP;
			else if (is_read_here(topology, i, sources[s].level))
				machine->op[i][s] = reads_add(&machine->reads,
							      topology->places[i].cpu, msrs[s]);
			else
				machine->op[i][s] = machine->op[i - 1][s];
		}
	}
}

static void drop_reads(struct machine *machine)
{
	topology_free(&machine->topology);
	reads_free(&machine->reads);
	energy_free(&machine->energy);
	free(machine->op);
	free(machine->base);
	machine->op = NULL;
	machine->base = NULL;
}

/* Reads of everything that is not dead, of the CPUs that are online. Returns 0 or -1. */
static int make_reads(struct machine *machine)
{
	uint32_t msrs[NR_SOURCES];

	drop_reads(machine);
	if (topology_read(&machine->topology) || find_sources(machine, msrs))
		return -1;
	add_sources(machine, msrs);
	if (machine->has_energy)
		machine->has_energy =
			!energy_init(&machine->energy, &machine->topology, &machine->reads);
	machine->looks = 0;
	return 0;
}

static int run_reads(struct machine *machine)
{
	if (reads_run(&machine->reads, machine->fd))
		return -1;
	machine->time = boot_time();
	machine->tsc = __rdtsc();
	if (machine->has_energy)
		energy_update(&machine->energy, &machine->reads, machine->time);
	machine->looks++;
	return 0;
}

static bool has_come(const struct machine *machine)
{
	struct msr_safe_cpus online;

	return machine->looks % LOOKS_OF_A_TOPOLOGY == 0 && !msr_safe_cpus_online(&online) &&
	       msr_safe_cpus_count(&online) != machine->topology.count;
}

int machine_look(struct machine *machine)
{
	if (run_reads(machine))
		return -1;
	if (!reads_lack_cpu(&machine->reads) && !has_come(machine))
		return 0;
	/* CPUs went or came: what was read before is no base. */
	if (make_reads(machine) || run_reads(machine))
		return -1;
	machine_mark(machine);
	return 0;
}

void machine_mark(struct machine *machine)
{
	if (!machine->base)
		machine->base = calloc(machine->reads.count + 1, sizeof(*machine->base));
	if (!machine->base)
		err(EXIT_ERROR, "CPUs");
	memcpy(machine->base, machine->reads.ops, machine->reads.count * sizeof(*machine->base));
	energy_mark(&machine->energy);
	machine->base_tsc = machine->tsc;
	machine->base_time = machine->time;
}

double machine_deadline(const struct machine *machine)
{
	return machine->energy.longest ? machine->time + machine->energy.longest / 2 : INFINITY;
}

static void note_unlisted(struct machine *machine, const char *name)
{
	size_t len = strlen(machine->unlisted);

	snprintf(machine->unlisted + len, sizeof(machine->unlisted) - len, "%s%s", len ? ", " : "",
		 name);
}

static void note_unlisted_energy(struct machine *machine)
{
	struct msr_safe_registers *registers;
	struct msr_safe_register reg;
	unsigned int i;

	if (!machine->energy.nr_unlisted || read_registers(&registers))
		return;
	for (i = 0; i < machine->energy.nr_unlisted; i++)
		if (!msr_safe_registers_at(registers, machine->energy.unlisted[i], &reg))
			note_unlisted(machine, reg.name);
	msr_safe_registers_free(registers);
}

/* After the first look: what no CPU gives is not asked for again. */
static unsigned int find_dead(struct machine *machine)
{
	unsigned int i, s, alive = 0;
	int error;

	for (s = 0; s < NR_SOURCES; s++) {
		if (machine->dead[s])
			continue;
		error = -EIO;
		for (i = 0; i < machine->topology.count && error; i++)
			error = machine->reads.ops[machine->op[i][s]].err;
		machine->dead[s] = error != 0;
		alive += !error;
		if (error == -EACCES)
			note_unlisted(machine, sources[s].name);
	}
	for (i = 0; i < machine->energy.nr_meters; i++)
		alive += machine->energy.meters[i].seen;
	note_unlisted_energy(machine);
	return alive;
}

int machine_open(struct machine *machine)
{
	struct processor_id id = msr_safe_processor_here();
	struct msr_safe_error error;

	*machine = (struct machine){ .has_energy = true, .multiplier = 1 };
	/* On Xeon Phi, MPERF and APERF count once in 1024 clocks: Linux, tools/power/x86/turbostat.
	 */
	if (strcmp(id.maker, "intel") == 0 && id.family == 6 &&
	    (id.model == 0x57 || id.model == 0x85))
		machine->multiplier = 1024;
	machine->fd = msr_safe_open_batch(&error);
	if (machine->fd < 0) {
		say_error(&error);
		return EXIT_SETUP;
	}
	if (make_reads(machine) || run_reads(machine))
		return EXIT_ERROR;
	if (!find_dead(machine)) {
		warnx("the allowlist has nothing that can be shown; it lacks: %s",
		      machine->unlisted);
		return EXIT_SETUP;
	}
	if (make_reads(machine) || run_reads(machine))
		return EXIT_ERROR;
	machine->start = machine->time;
	machine_mark(machine);
	return -1;
}

void machine_close(struct machine *machine)
{
	drop_reads(machine);
	if (machine->fd >= 0)
		close(machine->fd);
}

/* What a register holds; false if that is not known. */
static bool value_of(const struct machine *machine, unsigned int i, enum source source,
		     uint64_t *value)
{
	size_t op = machine->op[i][source];

	if (op == NO_OP || machine->reads.ops[op].err)
		return false;
	*value = machine->reads.ops[op].msrdata;
	return true;
}

/* By how much a counter has grown in the interval; NAN if that is not known */
static double growth_of(const struct machine *machine, unsigned int i, enum source source)
{
	size_t op = machine->op[i][source];

	if (op == NO_OP || machine->reads.ops[op].err || machine->base[op].err)
		return NAN;
	return machine->reads.ops[op].msrdata - machine->base[op].msrdata;
}

static double tsc_growth(const struct machine *machine, unsigned int i)
{
	double growth = growth_of(machine, i, TSC);

	return isnan(growth) ? (double)(machine->tsc - machine->base_tsc) : growth;
}

/* Residencies count at the rate of the time stamp counter. */
static double percent_of(const struct machine *machine, unsigned int i, enum source source)
{
	return 100 * growth_of(machine, i, source) / tsc_growth(machine, i);
}

/* THERM_STATUS: 22:16 is degrees below the target, 31 whether they are valid; the same of packages
 */
static double temperature(const struct machine *machine, unsigned int i, enum source source)
{
	uint64_t status, target;

	if (!value_of(machine, i, source, &status) || !value_of(machine, i, TARGET, &target) ||
	    (source == THERM && !(status >> 31 & 1)))
		return NAN;
	return (double)(target >> 16 & 0xFF) - (double)(status >> 16 & 0x7F);
}

static void fill_cpu(const struct machine *machine, unsigned int i, struct row *row)
{
	const struct place *place = &machine->topology.places[i];
	double seconds = machine->time - machine->base_time;
	double tsc = tsc_growth(machine, i);
	double mperf = growth_of(machine, i, MPERF) * machine->multiplier;
	double aperf = growth_of(machine, i, APERF) * machine->multiplier;
	double rest;
	unsigned int c;

	for (c = 0; c < NR_COLUMNS; c++)
		row->value[c] = NAN;
	row->package = place->package;
	row->die = place->die;
	row->core = place->core;
	row->cpu = place->cpu;
	row->value[BUSY] = 100 * mperf / tsc;
	row->value[AVG_MHZ] = aperf / seconds / 1e6;
	row->value[BUSY_MHZ] = mperf ? tsc / seconds / 1e6 * aperf / mperf : NAN;
	row->value[CORE_TEMP] = temperature(machine, i, THERM);
	row->value[CORE_C3] = percent_of(machine, i, C3);
	row->value[CORE_C6] = percent_of(machine, i, C6);
	row->value[CORE_C7] = percent_of(machine, i, C7);
	row->value[CORE_C1] = percent_of(machine, i, C1);
	if (isnan(row->value[CORE_C1]) && machine->dead[C1] && !isnan(row->value[CORE_C6])) {
		/* Without a register for it, C1 is what is left. */
		rest = 100 - row->value[BUSY] - row->value[CORE_C6];
		rest -= isnan(row->value[CORE_C3]) ? 0 : row->value[CORE_C3];
		rest -= isnan(row->value[CORE_C7]) ? 0 : row->value[CORE_C7];
		row->value[CORE_C1] = rest < 0 ? 0 : rest;
	}
}

static const char *const domains[] = { "package", "cores", "graphics", "dram", "platform" };

static bool has_meter(const struct machine *machine, const char *domain)
{
	unsigned int i;

	for (i = 0; i < machine->energy.nr_meters; i++)
		if (machine->energy.meters[i].seen &&
		    strcmp(machine->energy.meters[i].domain, domain) == 0)
			return true;
	return false;
}

bool machine_has(const struct machine *machine, enum column column)
{
	const bool *dead = machine->dead;

	switch (column) {
	case BUSY:
		return !dead[MPERF];
	case AVG_MHZ:
		return !dead[APERF];
	case BUSY_MHZ:
		return !dead[MPERF] && !dead[APERF];
	case CORE_TEMP:
		return !dead[THERM] && !dead[TARGET];
	case CORE_C1:
		return !dead[C1] || (!dead[C6] && !dead[MPERF]);
	case CORE_C3:
		return !dead[C3];
	case CORE_C6:
		return !dead[C6];
	case CORE_C7:
		return !dead[C7];
	case PACKAGE_TEMP:
		return !dead[PACKAGE_THERM] && !dead[TARGET];
	case UNCORE_MHZ:
		return !dead[UNCORE];
	default:
		if (column < FIRST_WATTS)
			return !dead[PC2 + column - PACKAGE_C2];
		return has_meter(machine, domains[column - FIRST_WATTS]);
	}
}

static void fill_watts(const struct machine *machine, struct row *row)
{
	unsigned int i, d;

	for (i = 0; i < machine->energy.nr_meters; i++) {
		const struct meter *meter = &machine->energy.meters[i];

		if (meter->package != row->package || meter->die != row->die || !meter->seen)
			continue;
		for (d = 0; d < sizeof(domains) / sizeof(*domains); d++)
			if (strcmp(domains[d], meter->domain) == 0)
				row->value[FIRST_WATTS + d] =
					meter->good ? meter->used / meter->seconds : NAN;
	}
}

/* The row of the package that begins at a place; what is of CPUs there is set by summarize(). */
static void fill_package(const struct machine *machine, unsigned int i, struct row *row)
{
	static const enum source residencies[] = { PC2, PC3, PC6, PC7, PC8, PC9, PC10 };
	uint64_t uncore;
	unsigned int c;

	for (c = 0; c < NR_COLUMNS; c++)
		row->value[c] = NAN;
	row->package = machine->topology.places[i].package;
	row->die = machine->topology.places[i].die;
	row->core = row->cpu = -1;
	row->value[PACKAGE_TEMP] = temperature(machine, i, PACKAGE_THERM);
	if (value_of(machine, i, UNCORE, &uncore))
		row->value[UNCORE_MHZ] = (uncore & 0x7F) * 100.0;
	for (c = 0; c < sizeof(residencies) / sizeof(*residencies); c++)
		row->value[PACKAGE_C2 + c] = percent_of(machine, i, residencies[c]);
	fill_watts(machine, row);
}

/*
 * A value for many rows: the sum of watts, the highest of temperatures, otherwise the mean.
 * NAN if none is known.
 */
static double combine(enum column column, const struct row *rows, unsigned int count)
{
	double sum = 0, highest = -INFINITY;
	unsigned int i, known = 0;

	for (i = 0; i < count; i++) {
		if (isnan(rows[i].value[column]))
			continue;
		known++;
		sum += rows[i].value[column];
		if (rows[i].value[column] > highest)
			highest = rows[i].value[column];
	}
	if (!known)
		return NAN;
	if (column == CORE_TEMP || column == PACKAGE_TEMP)
		return highest;
	return column >= FIRST_WATTS ? sum : sum / known;
}

static void summarize(struct row *row, const struct row *rows, unsigned int count, enum column from,
		      enum column to)
{
	unsigned int c;

	for (c = from; c < to; c++)
		row->value[c] = combine(c, rows, count);
}

void machine_view(const struct machine *machine, struct view *view)
{
	const struct topology *topology = &machine->topology;
	unsigned int i, end;

	*view = (struct view){
		.packages = calloc(topology->count + 1, sizeof(struct row)),
		.cpus = calloc(topology->count + 1, sizeof(struct row)),
		.nr_cpus = topology->count,
		.time = machine->time - machine->start,
		.seconds = machine->time - machine->base_time,
		.all = { .package = -1, .core = -1, .cpu = -1 },
	};
	if (!view->packages || !view->cpus)
		err(EXIT_ERROR, "CPUs");
	for (i = 0; i < topology->count; i++)
		fill_cpu(machine, i, &view->cpus[i]);
	for (i = 0; i < topology->count; i = end) {
		struct row *row = &view->packages[view->nr_packages++];

		for (end = i + 1; end < topology->count && !is_first_of_die(topology, end);)
			end++;
		fill_package(machine, i, row);
		summarize(row, &view->cpus[i], end - i, 0, FIRST_OF_PACKAGES);
	}
	summarize(&view->all, view->cpus, view->nr_cpus, 0, FIRST_OF_PACKAGES);
	summarize(&view->all, view->packages, view->nr_packages, FIRST_OF_PACKAGES, NR_COLUMNS);
}

void view_free(struct view *view)
{
	free(view->packages);
	free(view->cpus);
	*view = (struct view){ 0 };
}
