/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs, by what they print.
 */
#ifndef GUEST_SHELL_H
#define GUEST_SHELL_H

/* What the last command printed */
extern char text[1 << 20];

/* Runs a command of the shell. Returns its exit status, 256 if a signal ended it. */
int run(const char *command);

/* The same as user 1000 of no group */
int run_as_user(const char *command);

/* A fixture: the list of the tests is in force, and programs find the tables of registers. */
int use_tables(void **state);

/* The command exits with the status and prints this, and nothing else. */
void assert_prints(const char *command, int status, const char *expected);

/* The command exits with the status, and this is in what it prints. */
void assert_says(const char *command, int status, const char *part);

/*
 * A fixture: the tables of registers are made-up ones, in which storage of the emulated machine has
 * the names and fields of registers that it does not have.
 */
int use_made_up_tables(void **state);

/* Makes a file, or replaces it. */
void make_file(const char *path, const char *content);

#endif /* GUEST_SHELL_H */
