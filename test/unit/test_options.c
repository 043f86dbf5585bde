// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line of msrsave.
 */

#include <getopt.h>

#include "unit.h"
#include "../../msrsave/msrsave.h"

#define MOST_ARGS 8

static struct options options;
static char said[4096];

/* Parses a line of words; what is printed, to either stream, is in said. */
static int parse(const char *const words[])
{
	char *argv[MOST_ARGS + 2] = { (char *)"msrsave" };
	int argc = 1, out = dup(1), err = dup(2), result;
	FILE *file = tmpfile();

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	fflush(stdout);
	dup2(fileno(file), 1);
	dup2(fileno(file), 2);
	optind = 0;
	program_invocation_short_name = "msrsave";
	result = parse_argv(&options, argc, argv);
	fflush(stdout);
	dup2(out, 1);
	dup2(err, 2);
	close(out);
	close(err);
	rewind(file);
	memset(said, 0, sizeof(said));
	assert_true(fread(said, 1, sizeof(said) - 1, file) < sizeof(said) - 1);
	fclose(file);
	return result;
}

#define PARSE(...) parse((const char *const[]){ __VA_ARGS__, NULL })

TEST(a_file_alone_is_to_be_saved, NULL, NULL)
{
	assert_int_equal(PARSE("state"), 1);
	assert_string_equal(options.file, "state");
	assert_false(options.restore);
	assert_false(options.dry_run || options.force || options.quiet || options.verbose);
	assert_false(options.some_cpus);
	assert_string_equal(said, "");
}

TEST(every_option_has_a_short_and_a_long_name, NULL, NULL)
{
	assert_int_equal(PARSE("-r", "-n", "-f", "-v", "state"), 1);
	assert_true(options.restore && options.dry_run && options.force && options.verbose);
	assert_false(options.quiet);
	assert_int_equal(PARSE("--restore", "--dry-run", "--force", "--verbose", "state"), 1);
	assert_true(options.restore && options.dry_run && options.force && options.verbose);
	assert_int_equal(PARSE("-q", "state"), 1);
	assert_true(options.quiet);
	assert_int_equal(PARSE("--quiet", "state"), 1);
	assert_true(options.quiet);
	assert_int_equal(PARSE("-rnq", "--", "-state"), 1);
	assert_true(options.restore && options.dry_run && options.quiet);
	assert_string_equal(options.file, "-state");
	assert_int_equal(PARSE("state", "-r"), 1);
	assert_true(options.restore);
}

TEST(cpus_are_a_list, NULL, NULL)
{
	assert_int_equal(PARSE("-c", "1,4-5", "state"), 1);
	assert_true(options.some_cpus);
	assert_int_equal(msr_safe_cpus_count(&options.cpus), 3);
	assert_true(msr_safe_cpus_has(&options.cpus, 4));
	assert_int_equal(PARSE("--cpus=0-63:2", "state"), 1);
	assert_int_equal(msr_safe_cpus_count(&options.cpus), 32);
	assert_int_equal(PARSE("--cpus", "1-", "state"), -EINVAL);
	assert_non_null(strstr(said, "not a list of CPUs: 1-\n"));
	assert_int_equal(PARSE("--cpus", "", "state"), -EINVAL);
}

TEST(help_and_version_are_printed, NULL, NULL)
{
	assert_int_equal(PARSE("--help"), 0);
	assert_int_equal(strncmp(said, "Usage: msrsave ", 15), 0);
	assert_int_equal(PARSE("-h"), 0);
	assert_int_equal(PARSE("--version"), 0);
	assert_string_equal(said, "msrsave " MSR_SAFE_VERSION_STR "\n");
	assert_int_equal(PARSE("-V", "state"), 0);
}

TEST(a_wrong_line_is_an_error_with_a_message, NULL, NULL)
{
	assert_int_equal(PARSE("--quiet"), -EINVAL);
	assert_non_null(strstr(said, "no file is named"));
	assert_non_null(strstr(said, "Try 'msrsave --help'"));
	assert_int_equal(PARSE(""), -EINVAL);
	assert_non_null(strstr(said, "the name of the file is empty"));
	assert_int_equal(PARSE("a", "b"), -EINVAL);
	assert_non_null(strstr(said, "more than one file: b"));
	assert_int_equal(PARSE("--what", "state"), -EINVAL);
	assert_non_null(strstr(said, "--what"));
	assert_int_equal(PARSE("-x", "state"), -EINVAL);
	assert_int_equal(PARSE("state", "--cpus"), -EINVAL);
	assert_int_equal(PARSE("-n", "state"), -EINVAL);
	assert_non_null(strstr(said, "--dry-run is for --restore"));
	assert_int_equal(PARSE("-f", "state"), -EINVAL);
	assert_non_null(strstr(said, "--force is for --restore"));
	assert_int_equal(PARSE("-q", "-v", "state"), -EINVAL);
	assert_non_null(strstr(said, "--quiet and --verbose exclude each other"));
}
