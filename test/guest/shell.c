// SPDX-License-Identifier: GPL-2.0-only

#include "guest.h"
#include "shell.h"

char text[1 << 20];

int run(const char *command)
{
	FILE *output = popen(command, "r");
	size_t len;
	int status;

	assert_non_null(output);
	len = fread(text, 1, sizeof(text) - 1, output);
	text[len] = '\0';
	status = pclose(output);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

int use_tables(void **state)
{
	setenv("MSR_ALLOWLISTS", "allowlists", 1);
	return load_the_list(state);
}

void assert_prints(const char *command, int status, const char *expected)
{
	int got = run(command);

	if (got != status || strcmp(text, expected) != 0)
		fail_msg("%s: exit status %d, and prints:\n%s", command, got, text);
}

void assert_says(const char *command, int status, const char *part)
{
	int got = run(command);

	if (got != status || !strstr(text, part))
		fail_msg("%s: exit status %d, and prints:\n%s", command, got, text);
}

void make_file(const char *path, const char *content)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(content, file);
	assert_int_equal(fclose(file), 0);
}
