// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line, and the order of the checks.
 */

#include <err.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../../lib/version.h"
#include "../common/say.h"
#include "doctor.h"

enum { OPTION_REPORT = 256, OPTION_NO_TEST };

static void help(void)
{
	printf("Usage: msr-doctor [options]\n"
	       "\n"
	       "Says what is wrong with msr-safe on this node, in the order in which to fix it,\n"
	       "each with the command that fixes it. Then it reads every listed register on each\n"
	       "CPU, in two ways, and compares. It writes no register.\n"
	       "\n"
	       "     --report FILE   also write all of it to FILE, for a report, without host\n"
	       "                     names, serial numbers or values of registers\n"
	       "     --no-self-test  read no registers\n"
	       " -q, --quiet         print problems only\n"
	       " -h, --help          print this\n"
	       " -V, --version       print the version\n"
	       "\n"
	       "Exit status: 0 no problem, 1 a problem, 2 wrong usage.\n");
}

/* Returns -1 to go on, or a status to exit with. */
static int parse_options(struct options *options, int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "report", required_argument, NULL, OPTION_REPORT },
		{ "no-self-test", no_argument, NULL, OPTION_NO_TEST },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "qhV", longs, NULL)) != -1) {
		switch (option) {
		case OPTION_REPORT:
			options->report = optarg;
			break;
		case OPTION_NO_TEST:
			options->no_test = true;
			break;
		case 'q':
			options->quiet = true;
			break;
		case 'h':
			help();
			return EXIT_GOOD;
		case 'V':
			printf("msr-doctor %s\n", VERSION);
			return EXIT_GOOD;
		default:
			return usage_error(EXIT_USAGE, NULL, NULL); /* getopt has printed why */
		}
	}
	return optind < argc ? usage_error(EXIT_USAGE, "not an option: ", argv[optind]) : -1;
}

static void examine(struct node *node, const struct options *options)
{
	static void (*const checks[])(struct node * node) = {
		check_processor, check_lockdown,      check_headers, check_module,
		check_signature, check_loaded,	      check_version, check_nodes,
		check_access,	 check_list,	      check_dkms,    check_udev,
		check_service,	 check_other_writers,
	};
	size_t i;

	for (i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		checks[i](node);
	if (options->no_test)
		return;
	test_registers(node);
	test_latency(node);
}

int main(int argc, char *argv[])
{
	static struct options options;
	static struct node node = { .batch = -1 };
	struct utsname system;
	int status;

	status = parse_options(&options, argc, argv);
	if (status >= 0)
		return status;
	if (findings_begin(&options))
		return EXIT_PROBLEMS;
	uname(&system);
	snprintf(node.release, sizeof(node.release), "%s", system.release);
	line("msr-doctor %s, kernel %s", VERSION, node.release);
	if (online_cpus(&node.online))
		return EXIT_PROBLEMS;
	/* Without the tables, registers are addresses. */
	if (msr_safe_registers_read(&node.registers, getenv("MSR_ALLOWLISTS"), NULL, NULL))
		note("tables",
		     "registers have no names: the tables of the lists are not installed");
	examine(&node, &options);
	if (node.batch >= 0)
		close(node.batch);
	msr_safe_allowlist_free(&node.list);
	msr_safe_registers_free(node.registers);
	return findings_end();
}
