// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shows how much power each processor package uses, in watts, with one batch a tick
 * over all packages.
 *
 * Needs read permission for /dev/cpu/msr_batch, and two registers in the allowlist:
 * the unit of energy, and the energy that the package has used. Where a package has
 * several dies, some processors count for the die of the CPU that is asked.
 */

#define _GNU_SOURCE
#include <cpuid.h>
#include <err.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "batch.h"
#include "cpus.h"
#include "energy.h"

#define ONLINE "/sys/devices/system/cpu/online"
#define PACKAGE_ID "/sys/devices/system/cpu/cpu%u/topology/physical_package_id"

struct options {
	double interval;
	unsigned long count; /* 0: until interrupted */
};

struct registers {
	uint32_t unit; /* RAPL power unit */
	uint32_t energy; /* package energy status */
};

struct package {
	int id;
	unsigned int cpu; /* one of its CPUs */
	bool known; /* what its counter held, and when */
	uint64_t energy;
	double time;
};

/* Two operations for each package */
#define UNIT_OP(ops, i) (&(ops)[2 * (i)])
#define ENERGY_OP(ops, i) (&(ops)[2 * (i) + 1])

static struct registers registers_of_this_processor(void)
{
	const struct registers intel = { 0x606, 0x611 };
	const struct registers amd = { 0xC0010299, 0xC001029B };
	unsigned int eax, ebx, ecx, edx, model;
	char vendor[13] = "";

	__cpuid(0, eax, ebx, ecx, edx);
	memcpy(vendor, &ebx, 4);
	memcpy(vendor + 4, &edx, 4);
	memcpy(vendor + 8, &ecx, 4);
	if (!strcmp(vendor, "AuthenticAMD") || !strcmp(vendor, "HygonGenuine"))
		return amd;
	if (strcmp(vendor, "GenuineIntel"))
		errx(EXIT_FAILURE, "a processor of %s: its energy counters are not known", vendor);

	/* The Atoms of the Silvermont and Airmont families have the unit in another form. */
	__cpuid(1, eax, ebx, ecx, edx);
	model = (eax >> 4 & 0xF) | (eax >> 12 & 0xF0);
	if ((eax >> 8 & 0xF) == 6 &&
	    (model == 0x37 || model == 0x4A || model == 0x4C || model == 0x4D || model == 0x5A))
		errx(EXIT_FAILURE, "an Atom of model 0x%X: its unit of energy is not known", model);
	return intel;
}

/* The package that a CPU is of; false if the CPU is gone. */
static bool read_package(unsigned int cpu, int *id)
{
	char path[96];
	FILE *file;
	bool found;

	snprintf(path, sizeof(path), PACKAGE_ID, cpu);
	file = fopen(path, "re");
	if (!file)
		return false;
	found = fscanf(file, "%d", id) == 1;
	fclose(file);
	return found;
}

/* All packages that have a CPU on line, each with the first of those */
static struct package *find_packages(unsigned int *nr_packages)
{
	unsigned int *cpus;
	unsigned int nr_cpus = read_cpus(ONLINE, &cpus);
	struct package *packages = calloc(nr_cpus, sizeof(*packages));
	unsigned int i, known, count = 0;
	int id;

	if (!packages)
		err(EXIT_FAILURE, NULL);
	for (i = 0; i < nr_cpus; i++) {
		if (!read_package(cpus[i], &id))
			continue;
		for (known = 0; known < count && packages[known].id != id; known++)
			;
		if (known == count)
			packages[count++] = (struct package){ .id = id, .cpu = cpus[i] };
	}
	free(cpus);
	if (!count)
		errx(EXIT_FAILURE, PACKAGE_ID ": no CPU tells its package", 0);
	*nr_packages = count;
	return packages;
}

/* The CPU that was asked is gone: another of the package is asked from now on, if any. */
static void find_another_cpu(struct package *package)
{
	unsigned int *cpus;
	unsigned int count = read_cpus(ONLINE, &cpus);
	unsigned int i;
	int id;

	for (i = 0; i < count; i++)
		if (cpus[i] != package->cpu && read_package(cpus[i], &id) && id == package->id)
			break;
	if (i < count)
		package->cpu = cpus[i];
	free(cpus);
}

/* Reads the registers of all packages; returns when. */
static double look(int fd, const struct registers *registers, const struct package *packages,
		   struct msr_batch_op *ops, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		*UNIT_OP(ops, i) = (struct msr_batch_op){
			.cpu = packages[i].cpu,
			.isrdmsr = 1,
			.msr = registers->unit,
		};
		*ENERGY_OP(ops, i) = (struct msr_batch_op){
			.cpu = packages[i].cpu,
			.isrdmsr = 1,
			.msr = registers->energy,
		};
	}
	run_batch(fd, ops, 2 * count);
	return now();
}

/* It makes no sense to begin where there is nothing to read. */
static void check_readable(const struct msr_batch_op *op, const struct registers *registers)
{
	if (op->err == -EACCES)
		errx(EXIT_SETUP,
		     "register 0x%X is not in the allowlist\n"
		     "Reading power needs the lines:\n0x%X 0x0\n0x%X 0x0\n"
		     "As root, add to the list those that it lacks, and load the list again.",
		     op->msr, registers->unit, registers->energy);
	if (op->err == -EIO)
		errx(EXIT_FAILURE, "CPU %u has no register 0x%X: it does not tell its power",
		     op->cpu, op->msr);
}

static void check_interval(const struct msr_batch_op *unit_op, double interval)
{
	double unit = energy_unit(unit_op->msrdata);

	if (unit_op->err)
		return;
	if (!unit)
		errx(EXIT_FAILURE,
		     "register 0x%X of CPU %u is 0, as in virtual machines:\n"
		     "there is no unit of energy, and no power to show",
		     unit_op->msr, unit_op->cpu);
	/* Half, since a tick may be late */
	if (interval > longest_interval(unit) / 2)
		errx(EXIT_USAGE,
		     "in %g seconds the energy counter could go round unnoticed:\n"
		     "the interval can be up to %.1f seconds on this processor",
		     interval, longest_interval(unit) / 2 - 0.05);
}

static void show_row(const struct package *package, const struct msr_batch_op *unit_op,
		     const struct msr_batch_op *energy_op, double time)
{
	int error = unit_op->err ? unit_op->err : energy_op->err;
	double watts;

	printf("package %-3d CPU %-5u", package->id, package->cpu);
	if (error)
		printf("%20s\n", op_error(error));
	else if (!package->known)
		printf("%20s\n", "-");
	else if (mean_watts(package->energy, energy_op->msrdata, energy_unit(unit_op->msrdata),
			    time - package->time, &watts))
		printf("%18.2f W\n", watts);
	else
		printf("%20s\n", "too long a time"); /* this was stopped, or all slept */
}

/* What the next look is compared with */
static void keep(struct package *package, const struct msr_batch_op *energy_op, double time)
{
	if (energy_op->err == -ENXIO)
		find_another_cpu(package);
	if (energy_op->err)
		return;
	package->known = true;
	package->energy = energy_op->msrdata;
	package->time = time;
}

static void watch(const struct options *options)
{
	const struct registers registers = registers_of_this_processor();
	unsigned int count;
	struct package *packages = find_packages(&count);
	struct msr_batch_op *ops = calloc(count, 2 * sizeof(*ops));
	int fd = open_batch();
	double tick = now();
	double time;
	unsigned long done;
	unsigned int i;

	if (!ops)
		err(EXIT_FAILURE, NULL);
	time = look(fd, &registers, packages, ops, count);
	for (i = 0; i < count; i++) {
		check_readable(UNIT_OP(ops, i), &registers);
		check_readable(ENERGY_OP(ops, i), &registers);
		check_interval(UNIT_OP(ops, i), options->interval);
		keep(&packages[i], ENERGY_OP(ops, i), time);
	}

	for (done = 0; !options->count || done < options->count; done++) {
		sleep_until(tick += options->interval);
		time = look(fd, &registers, packages, ops, count);
		if (isatty(STDOUT_FILENO))
			fputs(CLEAR_SCREEN, stdout);
		puts("Power of each package:");
		for (i = 0; i < count; i++) {
			show_row(&packages[i], UNIT_OP(ops, i), ENERGY_OP(ops, i), time);
			keep(&packages[i], ENERGY_OP(ops, i), time);
		}
		if (fflush(stdout))
			err(EXIT_FAILURE, "standard output");
	}

	close(fd);
	free(ops);
	free(packages);
}

static void usage(FILE *out)
{
	fputs("Usage: power [OPTION]...\n"
	      "Shows how much power each processor package uses, again and again.\n"
	      "\n"
	      "  -i, --interval SECONDS   from one look to the next; 1 if not given; at most what\n"
	      "                           the energy counter takes, which the processor tells\n"
	      "  -n, --count NUMBER       stop after showing it so often; else at an interrupt\n"
	      "  -h, --help               print this\n"
	      "\n"
	      "Exit status: 0 shown as often as asked; 1 an error, or a processor that does not\n"
	      "tell its power; 2 wrong usage; 3 the module, the permissions or the allowlist are\n"
	      "not set up for it.\n",
	      out);
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { .interval = 1 };
	int option;

	while ((option = getopt_long(argc, argv, "i:n:h", long_options, NULL)) != -1) {
		switch (option) {
		case 'i':
			options.interval = seconds(optarg);
			break;
		case 'n':
			options.count = how_often(optarg);
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
	watch(&options);
	return EXIT_SUCCESS;
}
