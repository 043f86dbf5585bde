// SPDX-License-Identifier: GPL-2.0-only

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

char **find_command(int *argc, char *argv[])
{
	int i;

	for (i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			*argc = i;
			return &argv[i + 1];
		}
	}
	return NULL;
}

pid_t start_command(char **command)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		warn("fork");
	if (pid)
		return pid;
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	execvp(command[0], command);
	warn("%s", command[0]);
	_exit(errno == ENOENT ? 127 : 126);
}

int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
