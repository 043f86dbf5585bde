// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line.
 */

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "msrsave.h"

static void help(void)
{
	printf("Usage: msrsave [options] FILE\n"
	       "       msrsave --restore [options] FILE\n"
	       "\n"
	       "Saves the writable bits of the registers in the allowlist of msr-safe to FILE,\n"
	       "for every online CPU, or restores them from it.\n"
	       "\n"
	       " -r, --restore     restore from FILE\n"
	       " -n, --dry-run     with -r: print what would change, change nothing\n"
	       " -f, --force       with -r: accept a file from another host\n"
	       " -a, --all         include registers that only log events\n"
	       " -c, --cpus LIST   these CPUs only, as in 0-3,8,10-20:2; with -r also: saved,\n"
	       "                   those that the file has\n"
	       " -q, --quiet       no warnings, errors only\n"
	       " -v, --verbose     print what is saved, or what changes\n"
	       " -h, --help        print this\n"
	       " -V, --version     print the version\n"
	       "\n"
	       "Exit status: 0 success, 1 some registers could not be saved or restored,\n"
	       "2 wrong usage, 3 nothing was saved or restored.\n");
}

int parse_argv(struct options *options, int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "restore", no_argument, NULL, 'r' },	  { "dry-run", no_argument, NULL, 'n' },
		{ "force", no_argument, NULL, 'f' },	  { "all", no_argument, NULL, 'a' },
		{ "cpus", required_argument, NULL, 'c' }, { "quiet", no_argument, NULL, 'q' },
		{ "verbose", no_argument, NULL, 'v' },	  { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },	  { NULL, 0, NULL, 0 },
	};
	int option;

	memset(options, 0, sizeof(*options));
	while ((option = getopt_long(argc, argv, "rnfac:qvhV", longs, NULL)) != -1) {
		switch (option) {
		case 'r':
			options->restore = true;
			break;
		case 'n':
			options->dry_run = true;
			break;
		case 'f':
			options->force = true;
			break;
		case 'a':
			options->all = true;
			break;
		case 'c':
			options->saved_cpus = strcmp(optarg, "saved") == 0;
			options->some_cpus = !options->saved_cpus;
			if (options->some_cpus && msr_safe_cpus_parse(&options->cpus, optarg))
				return usage_error(-EINVAL, "not a list of CPUs: ", optarg);
			break;
		case 'q':
			options->quiet = true;
			break;
		case 'v':
			options->verbose = true;
			break;
		case 'h':
			help();
			return 0;
		case 'V':
			printf("msrsave %s\n", VERSION);
			return 0;
		default:
			return usage_error(-EINVAL, NULL, NULL); /* getopt has printed why */
		}
	}
	if (!options->restore && options->dry_run)
		return usage_error(-EINVAL, "--dry-run is for --restore", "");
	if (!options->restore && options->saved_cpus)
		return usage_error(-EINVAL, "--cpus saved is for --restore", "");
	if (!options->restore && options->force)
		return usage_error(-EINVAL, "--force is for --restore", "");
	if (options->quiet && options->verbose)
		return usage_error(-EINVAL, "--quiet and --verbose exclude each other", "");
	if (optind == argc)
		return usage_error(-EINVAL, "no file is named", "");
	if (optind + 1 < argc)
		return usage_error(-EINVAL, "more than one file: ", argv[optind + 1]);
	options->file = argv[optind];
	if (*options->file == '\0')
		return usage_error(-EINVAL, "the name of the file is empty", "");
	return 1;
}
