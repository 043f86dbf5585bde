// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line.
 */

#include <err.h>
#include <getopt.h>

#include "../../lib/version.h"
#include "../common/command.h"
#include "../common/parse.h"
#include "../common/say.h"
#include "power.h"

enum { OPTION_CSV = 256, OPTION_JSON, OPTION_METRICS };

static void help(void)
{
	printf("Usage: msr-power [options]\n"
	       "       msr-power [options] -- COMMAND...\n"
	       "\n"
	       "Prints the power of packages, cores, graphics, memory and the platform. It\n"
	       "shows what the processor counts and what the allowlist of msr-safe has. With a\n"
	       "COMMAND, it prints the energy that was used while that ran.\n"
	       "\n"
	       " -i, --interval SEC      print every SEC seconds (default: 1)\n"
	       " -n, --count NUMBER      end after so many times\n"
	       "     --csv               print comma-separated values\n"
	       "     --json              print a JSON object a line\n"
	       "     --openmetrics FILE  write FILE for Prometheus' node exporter: once, or\n"
	       "                         with --interval every SEC seconds\n"
	       " -h, --help              print this\n"
	       " -V, --version           print the version\n"
	       "\n"
	       "Exit status: 0 success, or that of COMMAND; 1 an error, or a processor without\n"
	       "energy counters; 2 wrong usage; 3 the module, the permissions or the allowlist\n"
	       "are not set up for it.\n");
}

int parse_options(struct options *options, int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ "csv", no_argument, NULL, OPTION_CSV },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "openmetrics", required_argument, NULL, OPTION_METRICS },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t count;
	int option;

	*options = (struct options){ .interval = 1 };
	options->command = find_command(&argc, argv);
	while ((option = getopt_long(argc, argv, "i:n:hV", longs, NULL)) != -1) {
		switch (option) {
		case 'i':
			if (!parse_number(optarg, 0.01, 86400, &options->interval))
				return usage_error(EXIT_USAGE,
						   "not a time of 0.01 to 86400 seconds: ", optarg);
			options->some_interval = true;
			break;
		case 'n':
			if (!parse_integer(optarg, UINT32_MAX, &count) || !count)
				return usage_error(EXIT_USAGE, "not a number of times: ", optarg);
			options->count = count;
			break;
		case OPTION_CSV:
			options->format = CSV;
			break;
		case OPTION_JSON:
			options->format = JSON;
			break;
		case OPTION_METRICS:
			options->metrics = optarg;
			break;
		case 'h':
			help();
			return EXIT_GOOD;
		case 'V':
			printf("msr-power %s\n", VERSION);
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
	if (options->metrics && (options->command || options->format != TEXT))
		return usage_error(EXIT_USAGE,
				   "--openmetrics takes no command, no --csv and no --json", "");
	return -1;
}
