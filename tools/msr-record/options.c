// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line.
 */

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/version.h"
#include "../common/command.h"
#include "../common/parse.h"
#include "../common/say.h"
#include "record.h"

enum { OPTION_CONVERT = 256, OPTION_STAGGER, OPTION_STRICT };

static void help(void)
{
	printf("Usage: msr-record [options] REGISTER... [-- COMMAND...]\n"
	       "       msr-record --convert FILE [-o FILE]\n"
	       "\n"
	       "Has timers in the kernel sample registers of the allowlist of msr-safe, and\n"
	       "records them. A REGISTER is a name, as PKG_ENERGY_STATUS, or an address.\n"
	       "\n"
	       " -c, --cpus LIST        these CPUs, as in 0-3,8,10-20:2 (default: all online)\n"
	       " -r, --rate HZ          samples a second (default: 100)\n"
	       " -e, --on-change SEC    a sample when the first register has changed; then rest\n"
	       "                        for SEC, and look at the rate until it changes again\n"
	       " -d, --duration SEC     end after so long (default: at ^C, or with COMMAND)\n"
	       "     --stagger          spread the CPUs over the period\n"
	       " -o, --output FILE      write to FILE (default: standard output)\n"
	       " -b, --binary           write a compact file, for --convert\n"
	       "     --convert FILE     write such a file as CSV\n"
	       "     --strict           exit with 1 if any sample is missing\n"
	       " -q, --quiet            print errors only\n"
	       " -h, --help             print this\n"
	       " -V, --version          print the version\n"
	       "\n"
	       "Exit status: 0 success, or that of COMMAND; 1 the record is not complete,\n"
	       "2 wrong usage, 3 nothing was recorded.\n");
}

static int parse_registers(struct options *options, char *words[], int count)
{
	struct msr_safe_registers *registers = NULL;
	struct msr_safe_register reg;
	int i, ret = 0;

	if (count > MSR_SAMPLE_MAX_OPS)
		return usage_error(EXIT_USAGE, "more than 64 registers", "");
	for (i = 0; i < count && !ret; i++) {
		struct column *column = &options->columns[i];

		if (strlen(words[i]) >= NAME_SIZE || strpbrk(words[i], ".,\"\n"))
			return usage_error(EXIT_USAGE, "not a register: ", words[i]);
		strcpy(column->name, words[i]);
		ret = find_register(&registers, words[i], &reg);
		column->msr = reg.msr;
	}
	options->nr_columns = count;
	msr_safe_registers_free(registers);
	if (ret)
		return ret == -EINVAL ? usage_error(EXIT_USAGE, NULL, NULL) : EXIT_NOTHING;
	return -1;
}

static int check(const struct options *options, int count)
{
	if (options->convert) {
		if (count || options->command || options->binary)
			return usage_error(
				EXIT_USAGE,
				"--convert takes no registers, no command and no --binary", "");
		return -1;
	}
	if (!count)
		return usage_error(EXIT_USAGE, "no register is named", "");
	if (options->hold && options->hold < 1 / options->rate)
		return usage_error(EXIT_USAGE,
				   "the rest of --on-change is shorter than a period of --rate",
				   "");
	if (options->command && !*options->command)
		return usage_error(EXIT_USAGE, "no command after --", "");
	return -1;
}

int parse_options(struct options *options, int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "cpus", required_argument, NULL, 'c' },
		{ "rate", required_argument, NULL, 'r' },
		{ "on-change", required_argument, NULL, 'e' },
		{ "duration", required_argument, NULL, 'd' },
		{ "stagger", no_argument, NULL, OPTION_STAGGER },
		{ "output", required_argument, NULL, 'o' },
		{ "binary", no_argument, NULL, 'b' },
		{ "convert", required_argument, NULL, OPTION_CONVERT },
		{ "strict", no_argument, NULL, OPTION_STRICT },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option, end = argc, status;

	*options = (struct options){ .rate = 100 };
	options->command = find_command(&end, argv);
	while ((option = getopt_long(end, argv, "c:r:e:d:o:bqhV", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->some_cpus = true;
			if (msr_safe_cpus_parse(&options->cpus, optarg) ||
			    msr_safe_cpus_empty(&options->cpus))
				return usage_error(EXIT_USAGE, "not a list of CPUs: ", optarg);
			break;
		case 'r':
			if (!parse_number(optarg, 0.001, 100000, &options->rate))
				return usage_error(EXIT_USAGE,
						   "not a rate of 0.001 to 100000 a second: ",
						   optarg);
			break;
		case 'e':
			if (!parse_number(optarg, 0.00001, 3600, &options->hold))
				return usage_error(EXIT_USAGE,
						   "not a time of 0.00001 to 3600 seconds: ",
						   optarg);
			break;
		case 'd':
			if (!parse_number(optarg, 0.001, 1e9, &options->duration))
				return usage_error(EXIT_USAGE,
						   "not a time of at least 0.001 seconds: ",
						   optarg);
			break;
		case OPTION_STAGGER:
			options->stagger = true;
			break;
		case 'o':
			options->output = optarg;
			break;
		case 'b':
			options->binary = true;
			break;
		case OPTION_CONVERT:
			options->convert = optarg;
			break;
		case OPTION_STRICT:
			options->strict = true;
			break;
		case 'q':
			options->quiet = true;
			break;
		case 'h':
			help();
			return EXIT_GOOD;
		case 'V':
			printf("msr-record %s\n", VERSION);
			return EXIT_GOOD;
		default:
			return usage_error(EXIT_USAGE, NULL, NULL); /* getopt has printed why */
		}
	}
	status = check(options, end - optind);
	return status < 0 ? parse_registers(options, argv + optind, end - optind) : status;
}
