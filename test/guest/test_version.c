// SPDX-License-Identifier: GPL-2.0-only
/*
 * The version device.
 */

#include "guest.h"

static const char *const names[] = { "/dev/cpu/msr_safe_version", "/dev/cpu/msr_version" };

TEST(both_names_read_the_version, NULL, NULL)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		char text[64] = "";
		int fd = open_path(names[i], O_RDONLY);

		assert_int_equal(read(fd, text, sizeof(text)), 6);
		assert_string_equal(text, "2.1.0\n");
		assert_int_equal(read(fd, text, sizeof(text)), 0);
		close(fd);
	}
}

static int read_as_user(void *arg)
{
	char text[64];
	int fd = open(arg, O_RDONLY);

	return fd >= 0 && read(fd, text, sizeof(text)) == 6 ? 0 : errno;
}

/* An open descriptor keeps the module loaded. */
TEST(a_user_reads_it_only_when_its_permissions_allow_it, NULL, NULL)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(in_child(true, read_as_user, (void *)names[i]), EACCES);
		assert_int_equal(chmod(names[i], 0444), 0);
		assert_int_equal(in_child(true, read_as_user, (void *)names[i]), 0);
		assert_int_equal(chmod(names[i], 0440), 0);
	}
}

TEST(nobody_writes_it, NULL, NULL)
{
	int fd = open_path(names[0], O_RDWR);

	assert_fails(write(fd, "3", 1), EINVAL);
	close(fd);
}

TEST(nodes_are_0440_minors_0_and_1_of_one_major, NULL, NULL)
{
	struct stat st[2];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(stat(names[i], &st[i]), 0);
		assert_int_equal(st[i].st_mode, S_IFCHR | 0440);
		assert_int_equal(st[i].st_rdev & 0xff, i);
	}
	assert_int_equal(st[0].st_rdev >> 8, st[1].st_rdev >> 8);
}
