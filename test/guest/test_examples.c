// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example programs that have no test of their own.
 */

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

TEST_PROGRAM(NULL, NULL)
