// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets of CPUs, as they are written and read.
 */

#include "unit.h"
#include "../../lib/libmsrsafe.h"

/* What the kernel says is online; no file if there is none. */
static const char *online;

FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
	(void)mode;
	assert_string_equal(path, "/sys/devices/system/cpu/online");
	if (!online) {
		errno = ENOENT;
		return NULL;
	}
	return fmemopen((char *)online, strlen(online), "r");
}

/* As long as is said, also where there is no room for it */
static void check_format(const struct msr_safe_cpus *set, const char *expected)
{
	size_t len = strlen(expected), size;
	char text[64];

	assert_int_equal(msr_safe_cpus_format(set, NULL, 0), len);
	for (size = 1; size <= sizeof(text); size++) {
		memset(text, 'x', sizeof(text));
		assert_int_equal(msr_safe_cpus_format(set, text, size), len);
		assert_int_equal(strlen(text), len < size ? len : size - 1);
		assert_memory_equal(text, expected, strlen(text));
	}
}

static char *printed(const struct msr_safe_cpus *set)
{
	static char text[4096];
	FILE *stream = fmemopen(text, sizeof(text), "w");

	memset(text, 0, sizeof(text));
	msr_safe_cpus_print(stream, set);
	fclose(stream);
	check_format(set, text);
	return text;
}

TEST(a_list_is_read_as_taskset_takes_it, NULL, NULL)
{
	/* clang-format off */
	static const char *const lists[][2] = {
		{ "0", "0" }, { "7,3,5", "3,5,7" }, { "0-3", "0-3" }, { "3-3", "3" },
		{ "0-10:5", "0,5,10" }, { "0-11:5,64-65", "0,5,10,64-65" }, { "1,1-2", "1-2" },
		{ "0-2,3-4", "0-4" }, { "62-65", "62-65" }, { "65535", "65535" },
		{ "0-65535", "0-65535" }, { "65534-65535:2", "65534" }, { "007", "7" },
	};
	/* clang-format on */
	struct msr_safe_cpus set;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		assert_int_equal(msr_safe_cpus_parse(&set, lists[i][0]), 0);
		assert_string_equal(printed(&set), lists[i][1]);
	}
}

TEST(what_is_not_a_list_is_refused, NULL, NULL)
{
	static const char *const lists[] = {
		"",
		",",
		"0,",
		",0",
		"a",
		"0x1",
		"-1",
		"+1",
		"0-",
		"-",
		"3-2",
		"0-1:",
		"0-1:0",
		"0:2",
		" 0",
		"0 ",
		"0\n",
		"65536",
		"0-65536",
		"4294967296",
		"4294967297",
		"0--1",
		"1.5",
		"0-1-2",
		"18446744073709551616",
		"0-3:2:2",
		"all",
		"0-65535,0-65535,0-65535,0-65535,0", /* no set needs that much */
	};
	struct msr_safe_cpus set;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++)
		if (!msr_safe_cpus_parse(&set, lists[i]))
			fail_msg("\"%s\" is taken", lists[i]);
}

TEST(the_cpus_of_a_set_are_gone_through_in_order, NULL, NULL)
{
	static const unsigned int expected[] = { 0, 63, 64, 200, 65535 };
	struct msr_safe_cpus set = { 0 };
	unsigned int cpu;
	size_t i;

	assert_true(msr_safe_cpus_empty(&set));
	for (i = ARRAY_SIZE(expected); i-- > 0;)
		msr_safe_cpus_add(&set, expected[i]);
	assert_false(msr_safe_cpus_empty(&set));
	assert_int_equal(msr_safe_cpus_count(&set), ARRAY_SIZE(expected));
	i = 0;
	msr_safe_for_each_cpu(cpu, &set) assert_int_equal(cpu, expected[i++]);
	assert_int_equal(i, ARRAY_SIZE(expected));
	assert_false(msr_safe_cpus_has(&set, 1));
}

TEST(sets_meet_and_differ, NULL, NULL)
{
	struct msr_safe_cpus a, b, result;

	assert_int_equal(msr_safe_cpus_parse(&a, "0-70"), 0);
	assert_int_equal(msr_safe_cpus_parse(&b, "2,64-100"), 0);
	result = msr_safe_cpus_intersect(&a, &b);
	assert_string_equal(printed(&result), "2,64-70");
	result = msr_safe_cpus_subtract(&a, &b);
	assert_string_equal(printed(&result), "0-1,3-63");
}

TEST(the_cpus_on_line_are_those_that_the_kernel_says, NULL, NULL)
{
	struct msr_safe_cpus set;

	online = "0-3,6,8-9\n";
	assert_int_equal(msr_safe_cpus_online(&set), 0);
	assert_string_equal(printed(&set), "0-3,6,8-9");
	online = "garbage\n";
	assert_int_equal(msr_safe_cpus_online(&set), -EPROTO);
	online = NULL;
	assert_int_equal(msr_safe_cpus_online(&set), -ENOENT);
}
