// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example programs that have no test of their own.
 */

#include <pthread.h>

#include "guest.h"

/* Runs a command; returns its status, and what it prints in text. */
static int run(const char *command, char *text, size_t size)
{
	FILE *output = popen(command, "r");
	size_t len;

	assert_non_null(output);
	len = fread(text, 1, size - 1, output);
	text[len] = '\0';
	return WEXITSTATUS(pclose(output));
}

TEST(prepared_prints_the_register_of_each_cpu, load_the_list, NULL)
{
	char text[1024];

	assert_int_equal(run("./prepared 0xC0000103 2 0", text, sizeof(text)), 0);
	assert_string_equal(text, "CPU 0: 0x0\nCPU 2: 0x2\nCPU 0: 0x0\nCPU 2: 0x2\n"
				  "CPU 0: 0x0\nCPU 2: 0x2\n");
	assert_int_equal(run("./prepared 0x40e 0 2>&1", text, sizeof(text)), 1);
	assert_non_null(strstr(text, "Permission denied"));
}

TEST(stamped_prints_ten_values_and_cycles, load_the_list, NULL)
{
	char text[1024], *line = text;
	unsigned int lines = 0;

	poke(1, STORE_A, 0xabc);
	assert_int_equal(run("./stamped 0x402 1", text, sizeof(text)), 0);
	while ((line = strstr(line, "0x0000000000000abc read within "))) {
		line++;
		lines++;
	}
	assert_int_equal(lines, 10);
	assert_int_equal(run("./stamped 0x40e 0 2>&1", text, sizeof(text)), 1);
	assert_non_null(strstr(text, "Permission denied"));
}

static unsigned int lines_with(const char *text, const char *what)
{
	unsigned int lines = 0;

	while ((text = strstr(text, what))) {
		text++;
		lines++;
	}
	return lines;
}

TEST(ring_prints_a_second_of_samples, load_the_list, NULL)
{
	static char text[1 << 17];

	poke(1, STORE_A, 0xabc);
	assert_int_equal(run("./ring 0x402 1", text, sizeof(text)), 0);
	assert_true(lines_with(text, " ns: 0xabc\n") >= 1000);
	assert_int_equal(lines_with(text, " samples, lost "), 1);
	assert_int_equal(run("./ring 0x40e 0 2>&1", text, sizeof(text)), 1);
	assert_non_null(strstr(text, "Permission denied"));
}

static volatile bool stop;

static void *change_again_and_again(void *arg)
{
	uint64_t value;

	for (value = 0; !stop; value++)
		poke(2, STORE_A, value);
	return arg;
}

TEST(wait_prints_the_other_register_at_each_change, load_the_list, NULL)
{
	pthread_t thread;
	char text[2048];
	int status;

	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, change_again_and_again, NULL), 0);
	status = run("./wait 0x402 0xC0000103 2", text, sizeof(text));
	stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(status, 0);
	assert_int_equal(lines_with(text, ", and the other is 0x2\n"), 10);
	assert_int_equal(run("./wait 0x402 0xC0000103 2 2>&1", text, sizeof(text)), 1);
	assert_non_null(strstr(text, "0x402 did not change within a second"));
	assert_int_equal(run("./wait 0x40e 0xC0000103 0 2>&1", text, sizeof(text)), 1);
	assert_non_null(strstr(text, "Permission denied"));
}

TEST_PROGRAM(NULL, NULL)
