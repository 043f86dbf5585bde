// SPDX-License-Identifier: GPL-2.0-only
/*
 * Views as text, CSV and JSON.
 */

#include <math.h>
#include <stdlib.h>

#include "top.h"

const struct column_info column_infos[NR_COLUMNS] = {
	[BUSY] = { "busy_percent", "BUSY%", 2 },
	[AVG_MHZ] = { "avg_mhz", "AVGMHZ", 0 },
	[BUSY_MHZ] = { "busy_mhz", "BZYMHZ", 0 },
	[CORE_TEMP] = { "core_celsius", "TEMP", 0 },
	[CORE_C1] = { "c1_percent", "C1%", 2 },
	[CORE_C3] = { "c3_percent", "C3%", 2 },
	[CORE_C6] = { "c6_percent", "C6%", 2 },
	[CORE_C7] = { "c7_percent", "C7%", 2 },
	[PACKAGE_TEMP] = { "package_celsius", "PKGTEMP", 0 },
	[UNCORE_MHZ] = { "uncore_mhz", "UNCMHZ", 0 },
	[PACKAGE_C2] = { "pc2_percent", "PC2%", 2 },
	[PACKAGE_C3] = { "pc3_percent", "PC3%", 2 },
	[PACKAGE_C6] = { "pc6_percent", "PC6%", 2 },
	[PACKAGE_C7] = { "pc7_percent", "PC7%", 2 },
	[PACKAGE_C8] = { "pc8_percent", "PC8%", 2 },
	[PACKAGE_C9] = { "pc9_percent", "PC9%", 2 },
	[PACKAGE_C10] = { "pc10_percent", "PC10%", 2 },
	[PACKAGE_WATTS] = { "package_watts", "PKGW", 2 },
	[CORES_WATTS] = { "cores_watts", "CORESW", 2 },
	[GRAPHICS_WATTS] = { "graphics_watts", "GFXW", 2 },
	[DRAM_WATTS] = { "dram_watts", "DRAMW", 2 },
	[PLATFORM_WATTS] = { "platform_watts", "PLATW", 2 },
};

void find_columns(struct options *options, const struct machine *machine)
{
	unsigned int c;

	for (c = 0; c < NR_COLUMNS; c++)
		options->columns[c] = (!options->chosen || options->columns[c]) &&
				      machine_has(machine, c);
}

/* qsort() has no argument for it. */
static int sort_column;

static int compare(const void *a, const void *b)
{
	const struct row *one = a, *other = b;
	double x = one->value[sort_column], y = other->value[sort_column];

	if (isnan(x) != isnan(y))
		return isnan(x) ? 1 : -1;
	if (x != y && !isnan(x))
		return x > y ? -1 : 1;
	return one->cpu < other->cpu ? -1 : one->cpu > other->cpu;
}

void sort_rows(struct view *view, int column)
{
	if (column < 0)
		return;
	sort_column = column;
	qsort(view->cpus, view->nr_cpus, sizeof(struct row), compare);
}

void format_cell(char *cell, const struct row *row, enum column column)
{
	if (isnan(row->value[column]))
		cell[0] = '\0';
	else
		snprintf(cell, CELL_SIZE, "%.*f", column_infos[column].decimals,
			 row->value[column]);
}

/* Columns that a kind of row has */
static bool has_column(const struct options *options, const struct row *row, unsigned int c)
{
	return options->columns[c] && (row->cpu < 0 || c < FIRST_OF_PACKAGES);
}

static const char *id(char *text, int number)
{
	if (number < 0)
		return "-";
	snprintf(text, 16, "%d", number);
	return text;
}

static void print_text_row(FILE *stream, const struct options *options, const struct row *row)
{
	char cell[CELL_SIZE], package[16], core[16], cpu[16];
	unsigned int c;

	fprintf(stream, "%4s %4s %5s", id(package, row->package), id(core, row->core),
		id(cpu, row->cpu));
	for (c = 0; c < NR_COLUMNS; c++) {
		if (!options->columns[c])
			continue;
		cell[0] = '\0';
		if (has_column(options, row, c))
			format_cell(cell, row, c);
		fprintf(stream, " %7s", *cell ? cell : "-");
	}
	fputc('\n', stream);
}

static void print_text(FILE *stream, const struct options *options, const struct view *view)
{
	unsigned int c, i;

	fprintf(stream, "%4s %4s %5s", "PKG", "CORE", "CPU");
	for (c = 0; c < NR_COLUMNS; c++)
		if (options->columns[c])
			fprintf(stream, " %7s", column_infos[c].title);
	fputc('\n', stream);
	print_text_row(stream, options, &view->all);
	for (i = 0; i < view->nr_packages; i++)
		print_text_row(stream, options, &view->packages[i]);
	for (i = 0; i < view->nr_cpus && !options->summary; i++)
		print_text_row(stream, options, &view->cpus[i]);
	fputc('\n', stream);
}

static void print_csv_row(FILE *stream, const struct options *options, const struct view *view,
			  const struct row *row, const char *what)
{
	char cell[CELL_SIZE];
	unsigned int c;

	fprintf(stream, "%.3f,%s,", view->time, what);
	if (row->package >= 0)
		fprintf(stream, "%d", row->package);
	fputc(',', stream);
	if (row->cpu >= 0)
		fprintf(stream, "%d,%d", row->core, row->cpu);
	else
		fputc(',', stream);
	for (c = 0; c < NR_COLUMNS; c++) {
		if (!options->columns[c])
			continue;
		cell[0] = '\0';
		if (has_column(options, row, c))
			format_cell(cell, row, c);
		fprintf(stream, ",%s", cell);
	}
	fputc('\n', stream);
}

static void print_csv(FILE *stream, const struct options *options, const struct view *view)
{
	static bool headed;
	unsigned int c, i;

	if (!headed) {
		fputs("time_s,row,package,core,cpu", stream);
		for (c = 0; c < NR_COLUMNS; c++)
			if (options->columns[c])
				fprintf(stream, ",%s", column_infos[c].key);
		fputc('\n', stream);
		headed = true;
	}
	print_csv_row(stream, options, view, &view->all, "all");
	for (i = 0; i < view->nr_packages; i++)
		print_csv_row(stream, options, view, &view->packages[i], "package");
	for (i = 0; i < view->nr_cpus && !options->summary; i++)
		print_csv_row(stream, options, view, &view->cpus[i], "cpu");
}

static void print_json_row(FILE *stream, const struct options *options, const struct row *row)
{
	char cell[CELL_SIZE];
	const char *comma = "";
	unsigned int c;

	fputc('{', stream);
	if (row->package >= 0)
		fprintf(stream, "\"package\": %d, \"die\": %d, ", row->package, row->die);
	if (row->cpu >= 0)
		fprintf(stream, "\"core\": %d, \"cpu\": %d, ", row->core, row->cpu);
	for (c = 0; c < NR_COLUMNS; c++) {
		if (!has_column(options, row, c))
			continue;
		format_cell(cell, row, c);
		fprintf(stream, "%s\"%s\": %s", comma, column_infos[c].key, *cell ? cell : "null");
		comma = ", ";
	}
	fputc('}', stream);
}

static void print_json_rows(FILE *stream, const struct options *options, const char *name,
			    const struct row *rows, unsigned int count)
{
	unsigned int i;

	fprintf(stream, ", \"%s\": [", name);
	for (i = 0; i < count; i++) {
		fputs(i ? ", " : "", stream);
		print_json_row(stream, options, &rows[i]);
	}
	fputc(']', stream);
}

static void print_json(FILE *stream, const struct options *options, const struct view *view)
{
	fprintf(stream, "{\"time_s\": %.3f, \"seconds\": %.6f, \"all\": ", view->time,
		view->seconds);
	print_json_row(stream, options, &view->all);
	print_json_rows(stream, options, "packages", view->packages, view->nr_packages);
	if (!options->summary)
		print_json_rows(stream, options, "cpus", view->cpus, view->nr_cpus);
	fputs("}\n", stream);
}

void print_view(FILE *stream, const struct options *options, const struct view *view)
{
	if (options->format == CSV)
		print_csv(stream, options, view);
	else if (options->format == JSON)
		print_json(stream, options, view);
	else
		print_text(stream, options, view);
}
