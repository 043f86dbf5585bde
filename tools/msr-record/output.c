// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records as lines of CSV, and as a compact file.
 */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record.h"

static const char magic[8] = "msrrec1";

static int failed(const struct output *output)
{
	warn("%s", output->path);
	return -1;
}

static int begin_file(struct output *output)
{
	unsigned int i;

	if (output->binary) {
		fwrite(&output->head, sizeof(output->head), 1, output->file);
		for (i = 0; i < output->head.nr_columns; i++)
			fwrite(output->columns[i].name, NAME_SIZE, 1, output->file);
	} else {
		fputs("time_ns,cpu,tick,cycles", output->file);
		for (i = 0; i < output->head.nr_columns; i++)
			fprintf(output->file, ",%s", output->columns[i].name);
		putc('\n', output->file);
	}
	return ferror(output->file) ? failed(output) : 0;
}

static int open_file(struct output *output, const struct options *options)
{
	output->path = options->output ? options->output : "standard output";
	output->file = options->output ? fopen(options->output, "we") : stdout;
	return output->file ? begin_file(output) : failed(output);
}

int output_open(struct output *output, const struct options *options, const struct msr_ring *ring)
{
	*output = (struct output){
		.binary = options->binary,
		.columns = options->columns,
		.head = {
			.nr_columns = options->nr_columns,
			.record_size = ring->record_size,
			.tsc_khz = ring->tsc_khz,
			.start_ns = ring->start_ns,
			.start_tsc = ring->start_tsc,
			.period_ns = ring->period_ns,
		},
	};
	memcpy(output->head.magic, magic, sizeof(magic));
	if (options->binary && !options->output && isatty(STDOUT_FILENO)) {
		warnx("a terminal does not show a compact file: use --output, or redirect it");
		return -1;
	}
	return open_file(output, options);
}

static void print_record(struct output *output, uint32_t cpu, const struct msr_record *record)
{
	const struct head *head = &output->head;
	struct msr_ring clock = {
		.tsc_khz = head->tsc_khz,
		.start_ns = head->start_ns,
		.start_tsc = head->start_tsc,
	};
	uint32_t i;

	fprintf(output->file, "%" PRIu64 ",%" PRIu32 ",%" PRIu64 ",%" PRIu32,
		msr_safe_ring_ns(&clock, record->tsc), cpu, (uint64_t)record->tick, record->cycles);
	for (i = 0; i < head->nr_columns; i++) {
		if (record->word[head->nr_columns + i / 64] >> i % 64 & 1)
			putc(',', output->file);
		else
			fprintf(output->file, ",%" PRIu64, (uint64_t)record->word[i]);
	}
	putc('\n', output->file);
}

int output_record(struct output *output, uint32_t cpu, const struct msr_record *record)
{
	const uint32_t number[2] = { cpu };

	if (output->binary) {
		fwrite(number, sizeof(number), 1, output->file);
		fwrite(record, output->head.record_size, 1, output->file);
	} else {
		print_record(output, cpu, record);
	}
	return ferror(output->file) ? failed(output) : 0;
}

int output_flush(struct output *output)
{
	return fflush(output->file) ? failed(output) : 0;
}

int output_close(struct output *output)
{
	if (fflush(output->file))
		return failed(output);
	return output->file != stdout && fclose(output->file) ? failed(output) : 0;
}

static int read_head(FILE *file, const char *path, struct output *output, struct options *found)
{
	struct head *head = &output->head;
	unsigned int i;

	if (fread(head, sizeof(*head), 1, file) != 1 || memcmp(head->magic, magic, sizeof(magic)) ||
	    !head->nr_columns || head->nr_columns > MSR_SAMPLE_MAX_OPS || !head->tsc_khz ||
	    head->record_size != sizeof(struct msr_record) +
					 8 * (head->nr_columns + (head->nr_columns + 63) / 64)) {
		warnx("%s: not a file that msr-record --binary has written", path);
		return -1;
	}
	for (i = 0; i < head->nr_columns; i++) {
		char *name = found->columns[i].name;

		if (fread(name, NAME_SIZE, 1, file) != 1 || name[NAME_SIZE - 1] || !*name ||
		    strpbrk(name, ",\"\n")) {
			warnx("%s: a name of a register is damaged", path);
			return -1;
		}
	}
	return 0;
}

/* All whole records are written, also those of a file that ends in the middle of one. */
static int convert_records(FILE *file, const char *path, struct output *output)
{
	struct msr_record *record = malloc(output->head.record_size);
	uint32_t number[2];
	int status = EXIT_NOTHING;
	size_t got;

	if (!record) {
		warn("%s", path);
		return status;
	}
	while ((got = fread(number, 1, sizeof(number), file)) == sizeof(number) &&
	       fread(record, output->head.record_size, 1, file) == 1)
		if (output_record(output, number[0], record))
			goto out;
	status = EXIT_GOOD;
	if (got || ferror(file)) {
		warnx("%s: the last record is not whole", path);
		status = EXIT_INCOMPLETE;
	}
	if (output_close(output))
		status = EXIT_NOTHING;
out:
	free(record);
	return status;
}

int convert(const struct options *options)
{
	FILE *file = fopen(options->convert, "re");
	struct options found = { 0 };
	struct output output = { .columns = found.columns };
	int status = EXIT_NOTHING;

	if (!file) {
		warn("%s", options->convert);
		return status;
	}
	if (!read_head(file, options->convert, &output, &found) && !open_file(&output, options))
		status = convert_records(file, options->convert, &output);
	fclose(file);
	return status;
}
