// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets of CPUs, as they are written and read.
 */

#include "unit.h"
#include "../../lib/cpus.h"

/* What the kernel says is on line; no file if there is none. */
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

static char *printed(const struct cpus *set)
{
	static char text[4096];
	FILE *stream = fmemopen(text, sizeof(text), "w");

	memset(text, 0, sizeof(text));
	cpus_print(stream, set);
	fclose(stream);
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
	struct cpus set;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		assert_true(cpus_parse(&set, lists[i][0]));
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
	struct cpus set;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++)
		if (cpus_parse(&set, lists[i]))
			fail_msg("\"%s\" is taken", lists[i]);
}

TEST(the_cpus_of_a_set_are_gone_through_in_order, NULL, NULL)
{
	static const unsigned int expected[] = { 0, 63, 64, 200, 65535 };
	struct cpus set = { 0 };
	unsigned int cpu;
	size_t i;

	assert_true(cpus_empty(&set));
	for (i = ARRAY_SIZE(expected); i-- > 0;)
		cpus_add(&set, expected[i]);
	assert_false(cpus_empty(&set));
	assert_int_equal(cpus_count(&set), ARRAY_SIZE(expected));
	i = 0;
	for_each_cpu_of(cpu, &set)
		assert_int_equal(cpu, expected[i++]);
	assert_int_equal(i, ARRAY_SIZE(expected));
	assert_false(cpus_has(&set, 1));
}

TEST(sets_meet_and_differ, NULL, NULL)
{
	struct cpus a, b, result;

	assert_true(cpus_parse(&a, "0-70"));
	assert_true(cpus_parse(&b, "2,64-100"));
	result = cpus_both(&a, &b);
	assert_string_equal(printed(&result), "2,64-70");
	result = cpus_without(&a, &b);
	assert_string_equal(printed(&result), "0-1,3-63");
}

TEST(the_cpus_on_line_are_those_that_the_kernel_says, NULL, NULL)
{
	struct cpus set;

	online = "0-3,6,8-9\n";
	assert_int_equal(cpus_online(&set), 0);
	assert_string_equal(printed(&set), "0-3,6,8-9");
	online = "garbage\n";
	errno = 0;
	assert_int_equal(cpus_online(&set), -1);
	assert_int_equal(errno, EPROTO);
	online = NULL;
	assert_int_equal(cpus_online(&set), -1);
	assert_int_equal(errno, ENOENT);
}
