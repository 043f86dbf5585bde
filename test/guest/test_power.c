// SPDX-License-Identifier: GPL-2.0-only
/*
 * msr-power, where there are no energy counters; what it does where there are is for
 * test/unit/test_power.c.
 */

#include "guest.h"
#include "shell.h"

TEST(without_its_registers_in_the_list_it_tells_the_lines, clear_list, NULL)
{
	char *line, list[512] = "";

	assert_int_equal(run("./msr-power -n 1 2>&1"), 3);
	for (line = text; (line = strstr(line, "msr-power: 0x"));) {
		line += strlen("msr-power: ");
		strncat(list, line, strcspn(line, "\n") + 1);
	}
	assert_true(strlen(list) > 0);
	load_list(list);
	assert_int_equal(run("./msr-power -n 1 2>&1"), 1);
	assert_non_null(strstr(text, "is 0, as in virtual machines"));
}

TEST(without_counters_no_command_runs, clear_list, NULL)
{
	assert_int_equal(run("./msr-power -- echo it-ran 2>&1"), 3);
	assert_null(strstr(text, "it-ran"));
}

TEST(a_user_who_cannot_open_the_device_is_told, clear_list, NULL)
{
	assert_int_equal(run_as_user("./msr-power 2>&1"), 3);
	assert_non_null(strstr(text, "/dev/cpu/msr_batch: Permission denied\n"));
	assert_non_null(strstr(text, "only root can open it"));
}

TEST(wrong_usage_says_what_to_try, clear_list, NULL)
{
	assert_int_equal(run("./msr-power -i 0 2>&1"), 2);
	assert_non_null(strstr(text, "Try 'msr-power --help' for more information."));
}
