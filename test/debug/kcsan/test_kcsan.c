// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data races were looked for while the other tests ran: what was found is in the
 * kernel's log, which is read on the build machine.
 */

#include "../../guest/guest.h"

TEST(data_races_were_looked_for, NULL, NULL)
{
	char text[4096];
	unsigned long watched;
	const char *count;
	ssize_t len;
	int fd;

	fd = open_path("/sys/kernel/debug/kcsan", O_RDONLY);
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(len > 0);
	text[len] = '\0';
	assert_non_null(strstr(text, "enabled: 1"));
	count = strstr(text, "setup_watchpoints: ");
	assert_non_null(count);
	watched = strtoul(count + strlen("setup_watchpoints: "), NULL, 10);
	print_message("# %lu accesses were watched\n", watched);
	assert_true(watched > 0);
}
