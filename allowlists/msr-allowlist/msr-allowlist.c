// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr-allowlist: chooses, checks and loads allowlists.
 */

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/version.h"
#include "../../tools/common/say.h"
#include "msr-allowlist.h"

#ifndef LISTS_DIR
#define LISTS_DIR "/usr/local/share/msr-safe/allowlists"
#endif

/* clang-format off */
static const struct command {
	const char *name;
	int (*run)(const struct options *options);
	int least;	/* operands */
	int most;
} commands[] = {
	{ "select", command_select, 0, 2 },
	{ "list", command_list, 0, 0 },
	{ "check", command_check, 1, INT32_MAX },
	{ "load", command_load, 1, 1 },
	{ "show", command_show, 0, 0 },
	{ "diff", command_diff, 2, 2 },
	{ "probe", command_probe, 0, 0 },
};
/* clang-format on */

/* Options without a letter */
enum { OPTION_FAMILY = 256, OPTION_MODEL, OPTION_FOR, OPTION_CLASS };

static void help(void)
{
	printf("Usage: msr-allowlist [options] COMMAND\n"
	       "\n"
	       "Chooses, checks and loads the lists of registers that users of msr-safe may access.\n"
	       "\n"
	       " select            print the list for this machine's processor\n"
	       " select MODEL      print that for another: 06_8F, al_068f, 0x8f, sapphirerapids,\n"
	       "                   or a family and a model\n"
	       " list              print the models that there are lists for, and the groups\n"
	       " check FILE...     say what the module would say of lists, and what is unwise in them\n"
	       " load FILE         check a list, load it, and read it back\n"
	       " show              print the list in force, with names\n"
	       " diff FILE FILE    print what entries differ\n"
	       " probe             print what registers of the list in force this processor lacks\n"
	       "\n"
	       " -c, --cpu MODEL   check, name registers and so on as of this model\n"
	       " -w, --with GROUPS with select: decide for core, shared, turbo, energy, counters,\n"
	       "                   counters-os, uncore, several with commas, or for all\n"
	       "     --for CLIENT  with select: decide for the groups that a client needs, as geopm\n"
	       "     --class GROUP with load, show, check: the list of a class of users, by the\n"
	       "                   name or number of its group; check and load say what of it is\n"
	       "                   not within the default list. diff FILE compares it with a file\n"
	       "     --family N, --model N\n"
	       "                   with select: family and model as numbers\n"
	       " -f, --force       with load, check: also a list for another model; with load: also\n"
	       "                   a list with bits that must not be writable\n"
	       " -p, --prune       with probe: print the list in force without what is lacking\n"
	       " -d, --lists DIR   the directory of lists and tables; also $MSR_ALLOWLISTS\n"
	       " -h, --help        print this\n"
	       " -V, --version     print the version\n"
	       "\n"
	       "FILE may be - for standard input, or /dev/cpu/msr_allowlist for the list in force.\n"
	       "Exits with 0 if all is well, 1 if something was found, differs, is lacking or could\n"
	       "not be done, 2 if the command line is wrong.\n");
}

static int run_for_client(const struct command *command, struct options *options)
{
	const struct client *client;

	if (options->client) {
		client = msr_safe_tables_client(&options->tables, options->client);
		if (!client)
			return wrong_usage(
				"there is no such client; msr-allowlist list prints all: ",
				options->client);
		options->with = client->groups;
	}
	return command->run(options);
}

static int run(const struct command *command, struct options *options)
{
	/* One of the two that are compared is the list of the class. */
	int fewer = options->class && command->run == command_diff;
	struct msr_safe_error error;
	int status;

	if (options->class && command->run != command_load && command->run != command_show &&
	    command->run != command_check && command->run != command_diff)
		return wrong_usage("--class is for load, show, check and diff", "");
	if (options->count < command->least - fewer)
		return wrong_usage("too few operands for ", command->name);
	if (options->count > command->most - fewer)
		return wrong_usage("too many operands for ", command->name);
	if (options->with && command->run != command_select)
		return wrong_usage("--with is for select", "");
	if (options->client && (command->run != command_select || options->with))
		return wrong_usage("--for is for select, without --with", "");
	if (options->force && command->run != command_load && command->run != command_check)
		return wrong_usage("--force is for load and check", "");
	if ((options->family || options->model) && command->run != command_select)
		return wrong_usage("--family and --model are for select", "");
	if (!options->family != !options->model)
		return wrong_usage("--family and --model need each other", "");
	if (options->prune && command->run != command_probe)
		return wrong_usage("--prune is for probe", "");
	if (find_class(options))
		return USAGE;
	if (msr_safe_tables_read(&options->tables, options->lists, &error) ||
	    msr_safe_tables_read_rules(&options->tables, options->lists, &error)) {
		say_error(&error);
		warnx("the lists are not there: install msr-safe, or name their directory with --lists "
		      "(allowlists in the source tree)");
		return NOT_GOOD;
	}
	status = run_for_client(command, options);
	msr_safe_tables_free(&options->tables);
	return status;
}

static int parse_and_run(int argc, char *argv[])
{
	/* clang-format off */
	static const struct option longs[] = {
		{ "cpu", required_argument, NULL, 'c' },
		{ "with", required_argument, NULL, 'w' },
		{ "for", required_argument, NULL, OPTION_FOR },
		{ "class", required_argument, NULL, OPTION_CLASS },
		{ "family", required_argument, NULL, OPTION_FAMILY },
		{ "model", required_argument, NULL, OPTION_MODEL },
		{ "force", no_argument, NULL, 'f' },
		{ "prune", no_argument, NULL, 'p' },
		{ "lists", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	/* clang-format on */
	struct options options = { .lists = getenv("MSR_ALLOWLISTS") };
	size_t i;
	int option;

	if (!options.lists)
		options.lists = LISTS_DIR;
	while ((option = getopt_long(argc, argv, "c:w:fpd:hV", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			options.cpu = optarg;
			break;
		case OPTION_FOR:
			options.client = optarg;
			break;
		case OPTION_CLASS:
			options.class = optarg;
			break;
		case OPTION_FAMILY:
			options.family = optarg;
			break;
		case OPTION_MODEL:
			options.model = optarg;
			break;
		case 'w':
			options.with = optarg;
			break;
		case 'f':
			options.force = true;
			break;
		case 'p':
			options.prune = true;
			break;
		case 'd':
			options.lists = optarg;
			break;
		case 'h':
			help();
			return GOOD;
		case 'V':
			printf("msr-allowlist %s\n", VERSION);
			return GOOD;
		default:
			fprintf(stderr, "Try 'msr-allowlist --help' for more information.\n");
			return USAGE;
		}
	}
	if (optind == argc)
		return wrong_usage("no command", "");
	options.count = argc - optind - 1;
	options.operands = argv + optind + 1;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[optind], commands[i].name) == 0)
			return run(&commands[i], &options);
	return wrong_usage("there is no command ", argv[optind]);
}

int main(int argc, char *argv[])
{
	int status;

	setvbuf(stderr, NULL, _IOLBF, 0);
	status = parse_and_run(argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		warn("standard output");
		if (status == GOOD)
			status = NOT_GOOD;
	}
	return status;
}
