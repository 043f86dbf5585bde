/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine that is played: its processor, registers, CPUs that leave, and time. Emulated machines
 * have no energy counters. The tests of a program wrap what it calls of the machine, see
 * PLAYED in test/test.mk.
 */
#ifndef UNIT_PLAY_H
#define UNIT_PLAY_H

#include "../../lib/libmsrsafe.h"
#include "../../lib/processor.h"
#include "unit.h"

/* In memory that the program under test, a child, shares */
struct play {
	struct processor_id processor;
	unsigned int packages, cores, threads; /* cores of a package, threads of a core */
	unsigned int dies; /* of a package */
	/* What a register holds: 0, or a negative errno. */
	int (*read)(unsigned int cpu, uint32_t msr, uint64_t *value);
	double time; /* now, in seconds since boot */
	double late; /* how much later than wanted each wait ends */
	double leaves; /* when CPU 0 goes offline, if ever */
	double stops; /* when SIGTERM comes, if ever */
	double command_ends;
	int command_status;
	char command[64]; /* what was started */
	int signalled; /* with which the command was ended */
	int open_error, batch_error;
	unsigned int batches, opens;
	size_t ops; /* of the last batch */
};

extern struct play *play;

/* A fixture: a machine of Intel, with two packages of two cores, at 1000 seconds */
int play_begin(void **state);
int play_end(void **state);

/* Whether a CPU is online now, and its package and core */
bool play_online(unsigned int cpu);
unsigned int play_package(unsigned int cpu);
unsigned int play_core(unsigned int cpu);

/* What the last run printed */
extern char said[1 << 20];

/* Runs main() of the program under test. Returns its exit status. */
int play_run(char **words);

void assert_said(const char *text);
void assert_not_said(const char *text);

#endif /* UNIT_PLAY_H */
