/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What programs say on standard error.
 */
#ifndef COMMON_SAY_H
#define COMMON_SAY_H

#include "../../lib/libmsrsafe.h"

/* Prints each line of an error behind the name of the program. */
void say_error(const struct msr_safe_error *error);

/* Prints that a node failed with a negative errno, and what to do about it. */
void say_failed(const char *path, int code);

/*
 * Prints what is wrong with the command line, unless getopt(3) has: @why is NULL then. Also prints
 * how to get help. Returns @status.
 */
int usage_error(int status, const char *why, const char *what);

/* What the error of an operation means */
const char *op_error(int code);

/* Reads which CPUs are online. Returns 0, or a negative errno after printing it. */
int online_cpus(struct msr_safe_cpus *set);

#endif /* COMMON_SAY_H */
