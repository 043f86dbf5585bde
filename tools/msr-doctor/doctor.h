/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * msr-doctor: what is wrong with msr-safe on this node, and how to fix it.
 */
#ifndef MSR_DOCTOR_H
#define MSR_DOCTOR_H

#include "../../lib/libmsrsafe.h"

enum status { EXIT_GOOD, EXIT_PROBLEMS, EXIT_USAGE };

struct options {
	const char *report; /* a file, or NULL */
	bool quiet; /* only problems */
	bool no_test;
};

/* What the checks have learned, for those that follow */
struct node {
	char release[65]; /* of the kernel that runs */
	char module_path[512]; /* its msr-safe.ko, or empty */
	bool locked_down;
	bool loaded;
	int batch; /* descriptor of the batch device, or -1 */
	struct msr_safe_allowlist list; /* what this user can read, with masks */
	struct msr_safe_cpus online;
	struct msr_safe_registers *registers; /* or NULL if the tables are not there */
};

/*
 * What is found: each is one line. A problem makes the exit status 1, and a command that fixes it
 * can follow.
 */
__attribute__((format(printf, 2, 3))) void good(const char *what, const char *format, ...);
__attribute__((format(printf, 2, 3))) void note(const char *what, const char *format, ...);
__attribute__((format(printf, 2, 3))) void problem(const char *what, const char *format, ...);
__attribute__((format(printf, 1, 2))) void fix(const char *format, ...);
/* A line of a table, as it is */
__attribute__((format(printf, 1, 2))) void line(const char *format, ...);

/* Opens the report, if there is one. Returns 0, or -1 after printing why not. */
int findings_begin(const struct options *options);
/* Returns an exit status. */
int findings_end(void);

/* Reads the first line of a file. False if it cannot be read. */
bool read_line(const char *path, char *text, size_t size);

/* The first line that a command of the shell prints; false if it prints none. */
bool first_output(const char *command, char *text, size_t size);

/* Whether a process with this name runs */
bool process_runs(const char *name);

/* The checks, in the order in which a fault hides those behind it */
void check_processor(struct node *node);
void check_lockdown(struct node *node);
void check_headers(struct node *node);
void check_module(struct node *node);
void check_signature(struct node *node);
void check_loaded(struct node *node);
void check_version(struct node *node);
void check_nodes(struct node *node);
void check_access(struct node *node);
void check_list(struct node *node);
void check_dkms(struct node *node);
void check_udev(struct node *node);
void check_service(struct node *node);
void check_other_writers(struct node *node);

/* The test on the hardware: reads only */
void test_registers(struct node *node);
void test_latency(struct node *node);

#endif /* MSR_DOCTOR_H */
