// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests that harness.sh runs to see what test/harness.c makes of them.
 */

#include <signal.h>

#include "unit.h"

static int say_setup(void **state)
{
	puts("# setup");
	*state = NULL;
	return 0;
}

static int say_teardown(void **state)
{
	(void)state;
	puts("# teardown");
	return 0;
}

static int fail_to_set_up(void **state)
{
	(void)state;
	return -1;
}

TEST(first_passes, say_setup, say_teardown)
{
	puts("# first");
}

TEST(second_fails, NULL, say_teardown)
{
	assert_true(false);
}

TEST(third_is_not_set_up, fail_to_set_up, NULL)
{
	puts("# never");
}

TEST(fourth_hangs, NULL, NULL)
{
	for (;;)
		pause();
}

TEST(fifth_is_killed, NULL, NULL)
{
	raise(SIGKILL);
}

/* With a child that it leaves behind, and that holds standard output open */
TEST(sixth_hangs_with_a_child, NULL, NULL)
{
	if (fork() == 0)
		sleep(1000);
	for (;;)
		pause();
}

TEST_PROGRAM(say_setup, NULL)
