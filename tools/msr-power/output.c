// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is printed of an interval, and of a command.
 */

#include "power.h"

#define for_each_meter(meter, energy)                                                      \
	for ((meter) = (energy)->meters; (meter) < (energy)->meters + (energy)->nr_meters; \
	     (meter)++)

static bool is_known(const struct meter *meter)
{
	return meter->good && meter->seconds > 0;
}

/* Die 0 of a package is written as the package alone: few packages have another. */
static const char *package_name(const struct meter *meter)
{
	static char name[32];

	snprintf(name, sizeof(name), meter->die ? "%d.%d" : "%d", meter->package, meter->die);
	return name;
}

static void print_text(const struct energy *energy)
{
	const struct meter *meter;

	printf("%-8s %-9s %10s %12s\n", "PACKAGE", "DOMAIN", "WATTS", "JOULES");
	for_each_meter(meter, energy)
	{
		if (!meter->seen)
			continue;
		printf("%-8s %-9s ", package_name(meter), meter->domain);
		if (is_known(meter))
			printf("%10.2f %12.3f\n", meter->used / meter->seconds, meter->used);
		else
			printf("%10s %12s\n", "-", "-");
	}
	putchar('\n');
}

static void print_csv(const struct energy *energy, double time)
{
	static bool headed;
	const struct meter *meter;

	if (!headed)
		printf("time_s,seconds,package,domain,watts,joules\n");
	headed = true;
	for_each_meter(meter, energy)
	{
		if (!meter->seen)
			continue;
		if (is_known(meter))
			printf("%.3f,%.6f,%s,%s,%.6f,%.6f\n", time, meter->seconds,
			       package_name(meter), meter->domain, meter->used / meter->seconds,
			       meter->used);
		else
			printf("%.3f,,%s,%s,,\n", time, package_name(meter), meter->domain);
	}
}

static void print_json(const struct energy *energy, double time)
{
	const struct meter *meter;
	const char *comma = "";

	printf("{\"time_s\": %.3f, \"domains\": [", time);
	for_each_meter(meter, energy)
	{
		if (!meter->seen)
			continue;
		printf("%s{\"package\": \"%s\", \"domain\": \"%s\", ", comma, package_name(meter),
		       meter->domain);
		if (is_known(meter))
			printf("\"seconds\": %.6f, \"watts\": %.6f, \"joules\": %.6f}",
			       meter->seconds, meter->used / meter->seconds, meter->used);
		else
			printf("\"seconds\": null, \"watts\": null, \"joules\": null}");
		comma = ", ";
	}
	printf("]}\n");
}

void print_interval(const struct options *options, const struct energy *energy, double time)
{
	switch (options->format) {
	case TEXT:
		print_text(energy);
		break;
	case CSV:
		print_csv(energy, time);
		break;
	case JSON:
		print_json(energy, time);
		break;
	}
}

void print_summary(const struct options *options, const struct energy *energy, double seconds)
{
	const struct meter *meter;

	fprintf(stderr, "\n Energy used while '%s' ran:\n\n", options->command[0]);
	for_each_meter(meter, energy)
	{
		if (!meter->seen)
			continue;
		fprintf(stderr, "%16.2f J  %-9s of package %-5s %10.2f W%s\n", meter->joules,
			meter->domain, package_name(meter), meter->joules / seconds,
			meter->gaps ? "  (incomplete: reads were too far apart)" : "");
	}
	fprintf(stderr, "\n%16.6f seconds elapsed\n\n", seconds);
}
