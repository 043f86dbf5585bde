// SPDX-License-Identifier: GPL-2.0-only
/*
 * Views that are printed; those on a terminal are in screen.c.
 */

#include <err.h>
#include <errno.h>
#include <math.h>

#include "../common/ticks.h"
#include "top.h"

/* Waits until a time, with looks in between where counters need them. */
static enum event pass_time(struct machine *machine, struct ticks *ticks, double until,
			    bool *failed)
{
	double next;
	enum event event;

	do {
		next = fmin(until, machine_deadline(machine));
		event = ticks_wait(ticks, next);
		*failed = machine_look(machine) != 0;
	} while (event == TICK && !*failed && next < until);
	return event;
}

/* Prints the interval until the last look, and begins another. Returns 0, or -1. */
static int report(struct machine *machine, const struct options *options, FILE *stream)
{
	struct view view;

	machine_view(machine, &view);
	sort_rows(&view, options->sort);
	print_view(stream, options, &view);
	view_free(&view);
	machine_mark(machine);
	if (!fflush(stream) && !ferror(stream))
		return 0;
	if (errno != EPIPE)
		warn("standard output");
	return -1;
}

static int print_views(struct machine *machine, const struct options *options)
{
	double until = machine->time;
	unsigned long done = 0;
	struct ticks ticks;
	enum event event;
	bool failed;

	if (machine->unlisted[0])
		warnx("not in the allowlist: %s", machine->unlisted);
	if (ticks_begin(&ticks, NULL))
		return EXIT_ERROR;
	do {
		until += options->interval;
		event = pass_time(machine, &ticks, until, &failed);
		if (failed || event == STOPPED)
			break;
		failed = report(machine, options, stdout);
	} while (!failed && ++done != options->count);
	return failed ? EXIT_ERROR : EXIT_GOOD;
}

/* With a command: one view of all the time that it takes; each interval, if one was given. */
static int measure_command(struct machine *machine, const struct options *options)
{
	double until = machine->time;
	unsigned long done = 0;
	struct ticks ticks;
	enum event event;
	bool failed;
	int status;

	if (ticks_begin(&ticks, options->command))
		return EXIT_ERROR;
	do {
		until = options->some_interval ? until + options->interval : INFINITY;
		event = pass_time(machine, &ticks, until, &failed);
		if (!failed && event == TICK && (!options->count || done++ < options->count))
			failed = report(machine, options, stderr);
	} while (event == TICK && !failed);
	status = ticks_end(&ticks);
	if (!failed && event == STOPPED)
		failed = machine_look(machine) != 0;
	if (!failed)
		failed = report(machine, options, stderr);
	return failed ? EXIT_ERROR : status;
}

int main(int argc, char *argv[])
{
	static struct machine machine;
	static struct options options;
	int status;

	status = parse_options(&options, argc, argv);
	if (status >= 0)
		return status;
	status = machine_open(&machine);
	if (status < 0)
		find_columns(&options, &machine);
	if (status < 0 && options.command)
		status = measure_command(&machine, &options);
	else if (status < 0 && options.format == FULL_SCREEN)
		status = show_screen(&machine, &options);
	else if (status < 0)
		status = print_views(&machine, &options);
	machine_close(&machine);
	return status;
}
