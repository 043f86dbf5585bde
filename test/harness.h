/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests over cmocka: TEST() registers a test, and test/harness.c runs those that were.
 */
#ifndef TEST_HARNESS_H
#define TEST_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/**
 * struct harness_test - a test, as TEST() registers it
 * @name:	its name, which reads as the promise that it tests
 * @function:	the test
 * @setup:	runs before it, or NULL
 * @teardown:	runs after it, even if it fails, or NULL
 * @next:	the test that is registered after it
 */
struct harness_test {
	const char *name;
	CMUnitTestFunction function;
	CMFixtureFunction setup;
	CMFixtureFunction teardown;
	struct harness_test *next;
};

void harness_add(struct harness_test *test);
void harness_fixtures(CMFixtureFunction setup, CMFixtureFunction teardown);

/* Both setup and teardown return 0, or else the test fails. */
#define TEST(test, before, after)                                      \
	static void test(__attribute__((unused)) void **cmocka_state); \
	__attribute__((constructor)) static void register_##test(void) \
	{                                                              \
		static struct harness_test entry = {                   \
			.name = #test,                                 \
			.function = test,                              \
			.setup = before,                               \
			.teardown = after,                             \
		};                                                     \
                                                                       \
		harness_add(&entry);                                   \
	}                                                              \
	static void test(__attribute__((unused)) void **cmocka_state)

/* What runs once before the first test of a program, and once after its last; or NULL */
#define TEST_PROGRAM(before, after)                                     \
	__attribute__((constructor)) static void register_program(void) \
	{                                                               \
		harness_fixtures(before, after);                        \
	}

#endif /* TEST_HARNESS_H */
