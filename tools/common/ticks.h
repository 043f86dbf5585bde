/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program that measures at points in time, until it is told to stop or its command ends.
 */
#ifndef COMMON_TICKS_H
#define COMMON_TICKS_H

#include <stdbool.h>
#include <sys/types.h>

enum event { TICK, COMMAND_ENDED, STOPPED };

struct ticks {
	char **command; /* or NULL */
	pid_t pid; /* of the command; 0 when it has ended, or there is none */
	int status; /* of the command, as of wait(2) */
	int signal; /* that stopped the program, or 0 */
};

/* Seconds of CLOCK_BOOTTIME, which goes on while the machine sleeps */
double boot_time(void);

/*
 * Blocks the signals that stop the program, and starts the command, if there is one. ^C is then
 * for the command alone. Returns 0, or -1 after printing why the command did not start.
 */
int ticks_begin(struct ticks *ticks, char **command);

/* Waits until a time of boot_time(), or for the next event before it. */
enum event ticks_wait(struct ticks *ticks, double until);

/*
 * Waits for the command, if it still runs: it is told what stopped the program. Returns the exit
 * status of the command, or 0 if there is none.
 */
int ticks_end(struct ticks *ticks);

#endif /* COMMON_TICKS_H */
