// SPDX-License-Identifier: GPL-2.0-only
/*
 * How findings are printed, and written to the report.
 */

#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

static struct {
	const struct options *options;
	FILE *report;
	bool colours;
	unsigned int problems;
} findings;

int findings_begin(const struct options *options)
{
	findings.options = options;
	findings.colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	if (!options->report)
		return 0;
	findings.report = fopen(options->report, "we");
	if (findings.report)
		return 0;
	warn("%s", options->report);
	return -1;
}

static void put(bool wanted, const char *colour, const char *mark, const char *what,
		const char *format, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	if (wanted)
		printf("%s%-8s%s %s%s%s\n", findings.colours ? colour : "", mark,
		       findings.colours ? "\033[0m" : "", what, *what ? ": " : "", text);
	if (findings.report)
		fprintf(findings.report, "%-8s %s%s%s\n", mark, what, *what ? ": " : "", text);
}

void good(const char *what, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put(!findings.options->quiet, "\033[32m", "ok", what, format, args);
	va_end(args);
}

void note(const char *what, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put(!findings.options->quiet, "\033[33m", "note", what, format, args);
	va_end(args);
}

void problem(const char *what, const char *format, ...)
{
	va_list args;

	findings.problems++;
	va_start(args, format);
	put(true, "\033[1;31m", "PROBLEM", what, format, args);
	va_end(args);
}

void fix(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put(true, "", "  fix:", "", format, args);
	va_end(args);
}

void line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put(!findings.options->quiet, "", "", "", format, args);
	va_end(args);
}

int findings_end(void)
{
	int bad = 0;

	if (findings.report) {
		bad = ferror(findings.report);
		if (fclose(findings.report) || bad) {
			warn("%s", findings.options->report);
			return EXIT_PROBLEMS;
		}
	}
	if (!findings.options->quiet || findings.problems)
		printf("%u problem%s found.\n", findings.problems,
		       findings.problems == 1 ? "" : "s");
	return findings.problems ? EXIT_PROBLEMS : EXIT_GOOD;
}

static bool read_first(FILE *file, char *text, size_t size)
{
	bool got = fgets(text, size, file);

	if (got)
		text[strcspn(text, "\n")] = '\0';
	return got;
}

bool read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	bool got;

	if (!file)
		return false;
	got = read_first(file, text, size);
	fclose(file);
	return got;
}

bool first_output(const char *command, char *text, size_t size)
{
	FILE *file = popen(command, "re");
	char rest[256];
	bool got;

	if (!file)
		return false;
	got = read_first(file, text, size);
	while (fgets(rest, sizeof(rest), file))
		;
	pclose(file);
	return got;
}

bool process_runs(const char *name)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	char path[300], comm[64];
	bool found = false;

	while (directory && !found && (entry = readdir(directory))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		found = read_line(path, comm, sizeof(comm)) && strcmp(comm, name) == 0;
	}
	if (directory)
		closedir(directory);
	return found;
}
