// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads energy counters again and again, with one batch for all packages.
 */

#include <err.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "../common/say.h"
#include "../common/ticks.h"
#include "power.h"

struct machine {
	int fd;
	struct topology topology;
	struct reads reads;
	struct energy energy;
	double last; /* when the counters were read */
};

/* Reads all counters. Returns 0, or -1 after printing why not. */
static int look(struct machine *machine)
{
	if (reads_run(&machine->reads, machine->fd))
		return -1;
	machine->last = boot_time();
	energy_update(&machine->energy, &machine->reads, machine->last);
	if (reads_lack_cpu(&machine->reads)) {
		topology_free(&machine->topology);
		if (topology_read(&machine->topology))
			return -1;
		energy_retarget(&machine->energy, &machine->topology, &machine->reads);
	}
	return 0;
}

/* Returns -1 to go on, or a status to exit with. */
static int set_up(struct machine *machine, const struct options *options)
{
	struct msr_safe_error error;

	machine->fd = msr_safe_open_batch(&error);
	if (machine->fd < 0) {
		say_error(&error);
		return EXIT_SETUP;
	}
	if (topology_read(&machine->topology) ||
	    energy_init(&machine->energy, &machine->topology, &machine->reads))
		return EXIT_ERROR;
	if (options->metrics)
		read_metrics(options->metrics, &machine->energy);
	if (look(machine))
		return EXIT_SETUP;
	if (!energy_found(&machine->energy, &machine->reads))
		return machine->energy.nr_unlisted ? EXIT_SETUP : EXIT_ERROR;
	/* With a file of metrics, this is one of many runs, and the file has told what was read
	 * before. */
	if (!options->metrics) {
		energy_say_unlisted(&machine->energy);
		energy_mark(&machine->energy);
	}
	return -1;
}

/* Waits until a time, and reads counters often enough meanwhile that none wraps unseen. */
static enum event pass_time(struct machine *machine, struct ticks *ticks, double until,
			    bool *failed)
{
	enum event event;
	double next;

	do {
		next = machine->last + machine->energy.longest / 2;
		if (until < next)
			next = until;
		event = ticks_wait(ticks, next);
		*failed = look(machine) != 0;
	} while (event == TICK && !*failed && next < until);
	return event;
}

/* What is done with an interval. Returns 0, or -1 if it could not be written. */
static int report(struct machine *machine, const struct options *options, double began, bool silent)
{
	int error;

	if (options->metrics) {
		error = write_metrics(options->metrics, &machine->energy, machine->last);
		energy_mark(&machine->energy);
		return error;
	}
	if (!silent)
		print_interval(options, &machine->energy, machine->last - began);
	energy_mark(&machine->energy);
	return fflush(stdout) ? -1 : 0;
}

static int watch(struct machine *machine, const struct options *options)
{
	double began = machine->last, until = began;
	unsigned long done = 0;
	struct ticks ticks;
	enum event event;
	bool failed = false, silent;
	int status;

	/* Without anything to print, counters are read as often as they need. */
	silent = options->command && !options->some_interval && options->format == TEXT;
	if (ticks_begin(&ticks, options->command))
		return EXIT_ERROR;
	do {
		until = silent ? INFINITY : until + options->interval;
		event = pass_time(machine, &ticks, until, &failed);
		if (failed || (event == STOPPED && !options->command))
			break;
		if (report(machine, options, began, silent)) {
			if (!options->metrics && errno != EPIPE)
				warn("standard output");
			failed = true;
		}
		done++;
	} while (event == TICK && !failed && done != options->count);
	if (options->command && !failed && event == TICK)
		event = pass_time(machine, &ticks, INFINITY, &failed);
	status = ticks_end(&ticks);
	if (options->command && !failed && event == STOPPED)
		failed = look(machine) != 0;
	if (options->command && !failed)
		print_summary(options, &machine->energy, machine->last - began);
	return failed ? EXIT_ERROR : status;
}

int main(int argc, char *argv[])
{
	static struct options options;
	static struct machine machine;
	int status;

	status = parse_options(&options, argc, argv);
	if (status >= 0)
		return status;
	status = set_up(&machine, &options);
	if (status < 0 && options.metrics && !options.some_interval)
		status = write_metrics(options.metrics, &machine.energy, machine.last) ?
				 EXIT_ERROR :
				 EXIT_GOOD;
	if (status < 0)
		status = watch(&machine, &options);
	if (machine.fd > 0)
		close(machine.fd);
	energy_free(&machine.energy);
	reads_free(&machine.reads);
	topology_free(&machine.topology);
	return status;
}
