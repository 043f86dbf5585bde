// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file that Prometheus' node exporter collects. It is also what this program knows of the
 * past: a counter of the processor wraps around, and that of the file does not.
 */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "power.h"

#define LABELS "{package=\"%d\",die=\"%d\",domain=\"%s\"}"
#define COUNTER_LABELS "{package=\"%d\",die=\"%d\",domain=\"%s\",core=\"%d\"}"

/* Which boot this is: counters start over with each. */
static void read_boot_id(char id[64])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || !fgets(id, 64, file))
		id[0] = '\0';
	id[strcspn(id, "\n")] = '\0';
	if (file)
		fclose(file);
}

static void head(FILE *file, const char *name, const char *type, const char *what)
{
	fprintf(file, "# HELP msr_power_%s %s\n# TYPE msr_power_%s %s\n", name, what, name, type);
}

static void write_meters(FILE *file, const struct energy *energy)
{
	unsigned int i;

	head(file, "joules_total", "counter", "Energy used.");
	for (i = 0; i < energy->nr_meters; i++) {
		const struct meter *meter = &energy->meters[i];

		if (meter->seen)
			fprintf(file, "msr_power_joules_total" LABELS " %.6f\n", meter->package,
				meter->die, meter->domain, meter->joules);
	}
	head(file, "gaps_total", "counter",
	     "Times between reads that were too long to tell what was used.");
	for (i = 0; i < energy->nr_meters; i++) {
		const struct meter *meter = &energy->meters[i];

		if (meter->seen)
			fprintf(file, "msr_power_gaps_total" LABELS " %u\n", meter->package,
				meter->die, meter->domain, meter->gaps);
	}
	head(file, "watts", "gauge", "Mean power since the read before the last.");
	for (i = 0; i < energy->nr_meters; i++) {
		const struct meter *meter = &energy->meters[i];

		if (meter->good && meter->seconds > 0)
			fprintf(file, "msr_power_watts" LABELS " %.6f\n", meter->package,
				meter->die, meter->domain, meter->used / meter->seconds);
	}
}

static void write_counters(FILE *file, const struct energy *energy, double time)
{
	char id[64];
	unsigned int i;

	head(file, "raw_energy", "gauge", "Counter of the processor, which wraps around.");
	for (i = 0; i < energy->nr_counters; i++) {
		const struct counter *counter = &energy->counters[i];
		const struct meter *meter = &energy->meters[counter->meter];

		if (counter->known)
			fprintf(file, "msr_power_raw_energy" COUNTER_LABELS " %" PRIu32 "\n",
				meter->package, meter->die, meter->domain, counter->core,
				counter->value);
	}
	head(file, "read_boottime_seconds", "gauge", "When the counters were read, since boot.");
	fprintf(file, "msr_power_read_boottime_seconds %.6f\n", time);
	read_boot_id(id);
	head(file, "boot_info", "gauge", "The boot that the counters are of.");
	fprintf(file, "msr_power_boot_info{boot_id=\"%s\"} 1\n", id);
}

/* Closes the file if all of it is written. */
static int close_whole(FILE *file)
{
	int bad = ferror(file);

	return fclose(file) || bad ? -1 : 0;
}

int write_metrics(const char *path, const struct energy *energy, double time)
{
	FILE *file = NULL;
	char *temporary;
	int fd;

	/* The node exporter reads files that end in .prom. */
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		err(EXIT_ERROR, "%s", path);
	fd = mkstemp(temporary);
	if (fd >= 0)
		file = fdopen(fd, "w");
	if (file) {
		write_meters(file, energy);
		write_counters(file, energy, time);
		fchmod(fd, 0644);
	}
	if (!file || close_whole(file) || rename(temporary, path)) {
		warn("%s", path);
		if (fd >= 0)
			unlink(temporary);
		free(temporary);
		return -1;
	}
	free(temporary);
	return 0;
}

static struct meter *find_meter(struct energy *energy, int package, int die, const char *domain)
{
	struct meter *meter;

	for (meter = energy->meters; meter < energy->meters + energy->nr_meters; meter++)
		if (meter->package == package && meter->die == die &&
		    strcmp(meter->domain, domain) == 0)
			return meter;
	return NULL;
}

static void take_counter(struct energy *energy, const struct meter *meter, int core, uint32_t value,
			 double time)
{
	unsigned int i;

	for (i = 0; i < energy->nr_counters; i++) {
		struct counter *counter = &energy->counters[i];

		if (&energy->meters[counter->meter] == meter && counter->core == core) {
			counter->known = true;
			counter->value = value;
			counter->time = time;
		}
	}
}

static void take_line(struct energy *energy, const char *line, double time, bool same_boot)
{
	struct meter *meter;
	int package, die, core, end = 0;
	char domain[16];
	double value;

	if (sscanf(line,
		   "msr_power_joules_total{package=\"%d\",die=\"%d\",domain=\"%15[a-z]\"} %lf%n",
		   &package, &die, domain, &value, &end) == 4 &&
	    end) {
		meter = find_meter(energy, package, die, domain);
		if (meter && value >= 0)
			meter->joules = value;
	}
	end = 0;
	if (sscanf(line,
		   "msr_power_gaps_total{package=\"%d\",die=\"%d\",domain=\"%15[a-z]\"} %lf%n",
		   &package, &die, domain, &value, &end) == 4 &&
	    end) {
		meter = find_meter(energy, package, die, domain);
		if (meter && value >= 0 && value < UINT32_MAX)
			meter->gaps = value;
	}
	end = 0;
	if (same_boot &&
	    sscanf(line,
		   "msr_power_raw_energy{package=\"%d\",die=\"%d\",domain=\"%15[a-z]\",core=\"%d\"} %lf%n",
		   &package, &die, domain, &core, &value, &end) == 5 &&
	    end && value >= 0 && value <= UINT32_MAX) {
		meter = find_meter(energy, package, die, domain);
		if (meter)
			take_counter(energy, meter, core, value, time);
	}
}

/* When the counters were read, and of which boot they are; false if the file is none of ours. */
static bool read_when(FILE *file, double *time, char boot[64])
{
	bool timed = false, booted = false;
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		timed |= sscanf(line, "msr_power_read_boottime_seconds %lf", time) == 1;
		booted |= sscanf(line, "msr_power_boot_info{boot_id=\"%63[0-9a-f-]\"}", boot) == 1;
	}
	rewind(file);
	return timed && booted;
}

void read_metrics(const char *path, struct energy *energy)
{
	FILE *file = fopen(path, "re");
	char line[256], boot[64], here[64];
	bool same_boot;
	double time;

	if (!file)
		return;
	read_boot_id(here);
	if (read_when(file, &time, boot)) {
		same_boot = strcmp(boot, here) == 0;
		while (fgets(line, sizeof(line), file))
			take_line(energy, line, time, same_boot);
	}
	fclose(file);
}
