// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line.
 */

#include <err.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/version.h"
#include "../common/command.h"
#include "../common/parse.h"
#include "../common/say.h"
#include "top.h"

enum { OPTION_CSV = 256, OPTION_JSON, OPTION_SUMMARY, OPTION_COLUMNS, OPTION_SORT };

static void help(void)
{
	unsigned int c;

	printf("Usage: msr-top [options]\n"
	       "       msr-top [options] -- COMMAND...\n"
	       "\n"
	       "Shows load, frequencies, temperatures, idle states and power of CPUs and\n"
	       "packages. It leaves out what the allowlist of msr-safe does not have. On a\n"
	       "terminal it fills the screen, and h shows the keys. With a COMMAND, it prints\n"
	       "one table when that ends.\n"
	       "\n"
	       " -d, --delay SEC      from one view to the next (default: 1)\n"
	       " -n, --count NUMBER   end after so many views\n"
	       "     --summary        packages only, no CPUs\n"
	       "     --columns KEYS   only these columns, with commas\n"
	       "     --sort KEY       sort CPUs by this column, the highest value first\n"
	       "     --csv            print comma-separated values\n"
	       "     --json           print a JSON object a line\n"
	       " -h, --help           print this\n"
	       " -V, --version        print the version\n"
	       "\n"
	       "KEYS:");
	for (c = 0; c < NR_COLUMNS; c++)
		printf("%s%s", c % 6 ? " " : "\n ", column_infos[c].key);
	printf("\n\n"
	       "Exit status: 0 success, or that of COMMAND; 1 an error; 2 wrong usage; 3 the\n"
	       "module, the permissions or the allowlist are not set up for it.\n");
}

/* The column with a key, or -1 */
static int find_key(const char *key, size_t len)
{
	unsigned int c;

	for (c = 0; c < NR_COLUMNS; c++)
		if (strncmp(column_infos[c].key, key, len) == 0 && !column_infos[c].key[len])
			return c;
	return -1;
}

static bool parse_columns(struct options *options, const char *keys)
{
	size_t len;
	int column;

	options->chosen = true;
	for (;; keys += len + 1) {
		len = strcspn(keys, ",");
		column = find_key(keys, len);
		if (column < 0)
			return false;
		options->columns[column] = true;
		if (!keys[len])
			return true;
	}
}

int parse_options(struct options *options, int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "delay", required_argument, NULL, 'd' },
		{ "count", required_argument, NULL, 'n' },
		{ "summary", no_argument, NULL, OPTION_SUMMARY },
		{ "columns", required_argument, NULL, OPTION_COLUMNS },
		{ "sort", required_argument, NULL, OPTION_SORT },
		{ "csv", no_argument, NULL, OPTION_CSV },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t count;
	int option;

	*options = (struct options){ .interval = 1, .sort = -1 };
	options->command = find_command(&argc, argv);
	options->format = isatty(STDOUT_FILENO) && !options->command ? FULL_SCREEN : TEXT;
	while ((option = getopt_long(argc, argv, "d:n:hV", longs, NULL)) != -1) {
		switch (option) {
		case 'd':
			if (!parse_number(optarg, 0.05, 86400, &options->interval))
				return usage_error(EXIT_USAGE,
						   "not a time of 0.05 to 86400 seconds: ", optarg);
			options->some_interval = true;
			break;
		case 'n':
			if (!parse_integer(optarg, UINT32_MAX, &count) || !count)
				return usage_error(EXIT_USAGE, "not a number of times: ", optarg);
			options->count = count;
			break;
		case OPTION_SUMMARY:
			options->summary = true;
			break;
		case OPTION_COLUMNS:
			if (!parse_columns(options, optarg))
				return usage_error(EXIT_USAGE, "not keys of columns: ", optarg);
			break;
		case OPTION_SORT:
			options->sort = find_key(optarg, strlen(optarg));
			if (options->sort < 0 || options->sort >= FIRST_OF_PACKAGES)
				return usage_error(EXIT_USAGE,
						   "not the key of a column of CPUs: ", optarg);
			break;
		case OPTION_CSV:
			options->format = CSV;
			break;
		case OPTION_JSON:
			options->format = JSON;
			break;
		case 'h':
			help();
			return EXIT_GOOD;
		case 'V':
			printf("msr-top %s\n", VERSION);
			return EXIT_GOOD;
		default:
			return usage_error(EXIT_USAGE, NULL, NULL); /* getopt has printed why */
		}
	}
	if (optind < argc)
		return usage_error(EXIT_USAGE,
				   "not an option, and no -- before it: ", argv[optind]);
	if (options->command && !*options->command)
		return usage_error(EXIT_USAGE, "no command after --", "");
	return -1;
}
