/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A command that a program runs, and measures.
 */
#ifndef COMMON_COMMAND_H
#define COMMON_COMMAND_H

#include <sys/types.h>

/*
 * Finds the command after "--" on a command line. Returns it, or NULL if there is none; @argc is
 * set to the number of words before "--".
 */
char **find_command(int *argc, char *argv[]);

/*
 * Runs a command. If it cannot be executed, its status is 127, or 126, as a shell has it. Returns
 * its process, or -1 after printing why there is none.
 */
pid_t start_command(char **command);

/* The exit status that a shell gives for a status of wait(2) */
int exit_status(int status);

#endif /* COMMON_COMMAND_H */
