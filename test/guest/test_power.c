// SPDX-License-Identifier: GPL-2.0-only
/*
 * examples/power.c, where there are no energy counters; what it does where there are
 * is for test/unit/test_power.c.
 */

#include "guest.h"

static char said[4096];

/* Its exit status; in said what it printed */
static int run_power(const char *arguments)
{
	char command[64];
	size_t len;
	FILE *file;
	int status;

	snprintf(command, sizeof(command), "./power %s 2>&1", arguments);
	file = popen(command, "r");
	assert_non_null(file);
	len = fread(said, 1, sizeof(said) - 1, file);
	said[len] = '\0';
	status = pclose(file);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void assert_said(const char *text)
{
	if (!strstr(said, text))
		fail_msg("not said: \"%s\", but: %s", text, said);
}

/* The lines that it asks for, put into the list as they are */
static void load_what_it_asks_for(void)
{
	char *list = strstr(said, "\n0x");
	char *end = strstr(said, "\nAs root");

	assert_non_null(list);
	assert_non_null(end);
	end[1] = '\0';
	load_list(list + 1);
}

TEST(without_its_registers_in_the_list_it_tells_the_lines, clear_list, NULL)
{
	assert_int_equal(run_power("-n 1"), 3);
	assert_said("is not in the allowlist");
	if (!strstr(said, "\n0x606 0x0\n0x611 0x0\n"))
		assert_said("\n0xC0010299 0x0\n0xC001029B 0x0\n");
}

TEST(with_those_lines_it_tells_that_there_is_no_unit_here, clear_list, NULL)
{
	assert_int_equal(run_power("-n 1"), 3);
	load_what_it_asks_for();
	assert_int_equal(run_power("-n 1"), 1);
	assert_said("is 0, as in virtual machines");
}

static int user_runs_it(void *arg)
{
	(void)arg;
	return run_power("-n 1") == 3 && strstr(said, "Ask the administrator") ? 0 : 1;
}

TEST(without_permission_it_tells_whom_to_ask, clear_list, NULL)
{
	assert_int_equal(in_child(true, user_runs_it, NULL), 0);
}
