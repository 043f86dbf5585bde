// SPDX-License-Identifier: GPL-2.0-only

#include <grp.h>

#include "guest.h"
#include "shell.h"

char text[1 << 20];

/* In the child */
static void execute(const char *command, bool as_user, int output)
{
	dup2(output, STDOUT_FILENO);
	if (as_user && (setgroups(0, NULL) || setgid(1000) || setuid(1000)))
		_exit(255);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(255);
}

static int run_by(const char *command, bool as_user)
{
	int output[2], status;
	size_t len = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		execute(command, as_user, output[1]);
	close(output[1]);
	while ((got = read(output[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += got;
	text[len] = '\0';
	close(output[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

int run(const char *command)
{
	return run_by(command, false);
}

int run_as_user(const char *command)
{
	return run_by(command, true);
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

int use_made_up_tables(void **state)
{
	use_tables(state);
	mkdir("/tmp/lists", 0755);
	mkdir("/tmp/lists/tables", 0755);
	make_file("/tmp/lists/tables/models", "06_01  intel  One\n");
	make_file("/tmp/lists/tables/registers",
		  "0x402  STORE  intel  thread  0  -  state  -  SDM  a store\n"
		  "0x40A  HALF  intel  thread  0  -  state  -  SDM  half a store\n"
		  "0x412  TIME_STAMP_COUNTER  intel  thread  0  -  counter  -  SDM  time\n"
		  "0x416  MPERF  intel  thread  0  -  counter  -  SDM  clocks\n"
		  "0x41A  PKG_C2_RESIDENCY  intel  package  0  -  counter  -  SDM  idle\n"
		  "0x41E  CORE_C6_RESIDENCY  intel  core  0  -  counter  -  SDM  idle\n");
	make_file("/tmp/lists/tables/fields",
		  "STORE  intel  7:0  LOW  SDM  low bits\n"
		  "STORE  intel  39:32  MIDDLE  SDM  middle bits\n"
		  "STORE  intel  63  TOP  SDM  the highest bit\n"
		  "HALF  intel  7:0  LOW  SDM  low bits\n"
		  "HALF  intel  23:8  WIDE  SDM  bits of which some are writable\n");
	setenv("MSR_ALLOWLISTS", "/tmp/lists", 1);
	return 0;
}
