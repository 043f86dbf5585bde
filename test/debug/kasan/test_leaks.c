// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nothing of what was allocated since the guest began has been forgotten. For a kernel
 * with kmemleak; runs after the other tests.
 */

#include "../../guest/guest.h"

#define KMEMLEAK "/sys/kernel/debug/kmemleak"

/* Objects are looked at when they are some seconds old, and reported if twice unreferenced. */
#define OLD_ENOUGH 6

TEST(nothing_has_leaked, NULL, NULL)
{
	char report[4096];
	ssize_t len;
	int i, fd;

	for (i = 0; i < 2; i++) {
		sleep(OLD_ENOUGH);
		assert_int_equal(write_file(KMEMLEAK, "scan"), 0);
	}
	fd = open_path(KMEMLEAK, O_RDONLY);
	len = read(fd, report, sizeof(report) - 1);
	close(fd);
	assert_true(len >= 0);
	report[len] = '\0';
	assert_string_equal(report, "");
}
