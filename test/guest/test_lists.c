// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lists of allowlists/, and msr-allowlist, with the module.
 */

#include <glob.h>

#include "guest.h"

#define HEADER "# MSR      Write mask\n"
#define TOOL "./msr-allowlist --lists allowlists "

#define MADE_LIST "/tmp/list"

static char text[256 * 1024], expected[256 * 1024], in_force[256 * 1024];

static void read_path(const char *path, char *into, size_t size)
{
	int fd = open_path(path, O_RDONLY);
	size_t len = 0;
	ssize_t got;

	while ((got = read(fd, into + len, size - 1 - len)) > 0)
		len += got;
	assert_int_equal(got, 0);
	into[len] = '\0';
	close(fd);
}

/* The standard output of a command, in @text; returns its exit status. */
static int run(const char *command)
{
	FILE *pipe = popen(command, "r");
	size_t len;

	assert_non_null(pipe);
	len = fread(text, 1, sizeof(text) - 1, pipe);
	text[len] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

static void make_list(const char *list)
{
	FILE *file = fopen(MADE_LIST, "w");

	assert_non_null(file);
	assert_true(fputs(list, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* What the device prints of a list: the first 29 bytes of each line that begins with 0x */
static void expect_entries_of(const char *list)
{
	char *end = expected + sprintf(expected, HEADER);

	for (; list; list = strchr(list, '\n')) {
		list += *list == '\n';
		if (strncmp(list, "0x", 2) == 0)
			end += sprintf(end, "%.29s\n", list);
	}
}

static void assert_expected_in_force(void)
{
	read_path(LIST_PATH, in_force, sizeof(in_force));
	assert_string_equal(in_force, expected);
}

/* The names of the lists, without those that are links */
static glob_t find_lists(void)
{
	glob_t lists;

	assert_int_equal(glob("allowlists/al_??_*", 0, NULL, &lists), 0);
	assert_in_range(lists.gl_pathc, 40, 1000);
	return lists;
}

/* "line 2: write mask is not a number: zz" without the word, which the log does not have */
static void cut_after_reason(char *said)
{
	char *word = strstr(strstr(said, ": ") + 2, ": ");

	said[strcspn(said, "\n")] = '\0';
	if (word)
		*word = '\0';
}

/* The first test: the module says no more than a few times in some seconds what is wrong. */
TEST(check_says_of_a_text_what_the_module_says, clear_list, NULL)
{
	static const char *const lists[] = {
		"0x10 0\n",
		"0x10 0\n\n0x10 1\n",
		"0x10\n",
		"x 0\n",
		"0x10 0x1ffffffffffffffff\n",
		"\n# none\n",
		"0x100000000 0\n",
		"010 0 # octal\n",
		"0x10 0#\n",
		"16 0\n0x199 -1\n",
	};
	char *said, *refused;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		bool taken;

		mark_log();
		taken = write_list(lists[i]) == (ssize_t)strlen(lists[i]);
		make_list(lists[i]);
		run(TOOL "check --cpu 06_8F " MADE_LIST " 2>&1");
		refused = strstr(text, "1 error: the module refuses the list");
		assert_int_equal(!refused, taken);
		if (taken)
			continue;
		*refused = '\0';
		said = strstr(text, MADE_LIST ": line "); /* of the line that says so */
		while (strstr(said + 1, MADE_LIST ": line "))
			said = strstr(said + 1, MADE_LIST ": line ");
		said += strlen(MADE_LIST ": ");
		cut_after_reason(said);
		if (count_in_log(said) != 1)
			fail_msg("the module does not say %s", said);
	}
}

TEST(every_list_loads_and_reads_back_entry_for_entry, clear_list, NULL)
{
	glob_t lists = find_lists();
	size_t i;

	for (i = 0; i < lists.gl_pathc; i++) {
		read_path(lists.gl_pathv[i], text, sizeof(text));
		assert_int_equal(write_list(text), strlen(text));
		expect_entries_of(text);
		assert_true(strlen(expected) > 10 * 30);
		assert_expected_in_force();
	}
	globfree(&lists);
}

TEST(every_list_loads_with_all_that_a_site_may_decide, clear_list, NULL)
{
	size_t i, largest = 0;
	glob_t lists = find_lists();
	char command[256];

	for (i = 0; i < lists.gl_pathc; i++) {
		snprintf(command, sizeof(command), TOOL "select --with all %s", lists.gl_pathv[i]);
		assert_int_equal(run(command), 0);
		if (strlen(text) > largest)
			largest = strlen(text);
		assert_int_equal(write_list(text), strlen(text));
		expect_entries_of(text);
		assert_expected_in_force();
	}
	assert_in_range(largest, 32 * 1024, 128 * 1024);
	globfree(&lists);
}

TEST(the_former_name_is_the_list, clear_list, NULL)
{
	read_path("allowlists/al_06_8F", text, sizeof(text));
	assert_int_equal(write_list(text), strlen(text));
	read_path("allowlists/al_06_8F", text, sizeof(text));
	expect_entries_of(text);
	assert_expected_in_force();
}

TEST(load_checks_writes_and_reads_back, clear_list, NULL)
{
	assert_int_equal(run(TOOL "--cpu 06_57 load allowlists/al_06_57 2>&1"), 0);
	read_path("allowlists/al_06_57", text, sizeof(text));
	expect_entries_of(text);
	assert_expected_in_force();
	assert_int_equal(run(TOOL "select 06_8F | " TOOL "--cpu 06_8F load -"), 0);
	assert_int_equal(run(TOOL "diff allowlists/al_06_8F " LIST_PATH), 0);
	assert_string_equal(text, "");
}

TEST(load_leaves_the_list_in_force_if_the_module_would_refuse_it, clear_list, NULL)
{
	static const char *const lists[] = { "0x10 0\n0x10 1\n", "0x10\n", "x 0\n", "# none\n",
					     "\n" };
	size_t i;

	load_list("0x402 0xff\n");
	expect_entries_of("0x00000402 0x00000000000000FF\n");
	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		make_list(lists[i]);
		assert_int_equal(run(TOOL "load " MADE_LIST " 2>&1"), 1);
		assert_non_null(strstr(text, "the module refuses the list"));
		assert_expected_in_force();
	}
}

TEST(load_takes_denied_bits_only_by_force, clear_list, NULL)
{
	load_list("0x402 0xff\n");
	make_list("0xC0000082 1\n");
	expect_entries_of("0x00000402 0x00000000000000FF\n");
	assert_int_equal(run(TOOL "load " MADE_LIST " 2>&1"), 1);
	assert_expected_in_force();
	expect_entries_of("0xC0000082 0x0000000000000001\n");
	assert_int_equal(run(TOOL "load --force " MADE_LIST " 2>&1"), 0);
	assert_expected_in_force();
}

TEST(show_prints_the_list_in_force_with_names, clear_list, NULL)
{
	load_list("0x199 0xffff\n0x77777777 0\n");
	assert_int_equal(run(TOOL "--cpu 06_8F show"), 0);
	assert_string_equal(text,
			    "0x00000199 0x000000000000FFFF # PERF_CTL                    thread   "
			    "target performance state; no turbo\n"
			    "0x77777777 0x0000000000000000\n");
}

/* The guest has every register, as far as reading goes. */
TEST(probe_reads_every_register_on_every_cpu, clear_list, NULL)
{
	assert_int_equal(run(TOOL "--cpu 06_57 load allowlists/al_06_57"), 0);
	assert_int_equal(run(TOOL "probe"), 0);
	assert_string_equal(text, "");
	assert_int_equal(run(TOOL "--cpu 06_57 probe --prune > /tmp/pruned"), 0);
	assert_int_equal(run(TOOL "diff allowlists/al_06_57 /tmp/pruned"), 0);
}

TEST(nothing_listed_is_nothing_to_show_or_to_probe, clear_list, NULL)
{
	assert_int_equal(run(TOOL "show"), 0);
	assert_string_equal(text, "# No register is allowed: the list is empty.\n");
	assert_int_equal(run(TOOL "probe"), 0);
	assert_string_equal(text, "");
}
