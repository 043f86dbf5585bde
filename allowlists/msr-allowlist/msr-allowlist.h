/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * msr-allowlist: its options, and its commands.
 */
#ifndef ALLOWLIST_TOOL_MSR_ALLOWLIST_H
#define ALLOWLIST_TOOL_MSR_ALLOWLIST_H

#include <stdbool.h>

#include "../../lib/processor.h"
#include "../../lib/tables.h"
#include "list.h"

enum status {
	GOOD = 0,
	NOT_GOOD = 1, /* something was found, or differs, or could not be done */
	USAGE = 2,
};

/* A processor: what the maker calls it, and its row in the table, if it has one */
struct processor {
	unsigned int family;
	unsigned int model;
	const struct model *known;
};

struct options {
	const char *lists; /* directory of the lists and tables */
	const char *cpu; /* a processor that was named, or NULL */
	const char *family, *model; /* the same as numbers, both or none */
	const char *client; /* whose groups are @with, or NULL */
	const char *class; /* whose list it is about: a group's name or number; NULL: the default */
	char device[64]; /* of that list */
	const char *with; /* groups that the site decides for, with commas, or NULL */
	bool force;
	bool prune;
	int count; /* of operands */
	char **operands;
	struct tables tables;
};

/* Each returns an exit status. */
int command_select(const struct options *options);
int command_check(const struct options *options);
int command_load(const struct options *options);
int command_show(const struct options *options);
int command_diff(const struct options *options);
int command_list(const struct options *options);
int command_probe(const struct options *options);

/* Says what is wrong with the command line. Returns USAGE. */
int wrong_usage(const char *why, const char *what);

/* The processor that CPUID names so */
struct processor processor_of(const struct tables *tables, struct processor_id id);

/* The processor that this runs on */
struct processor processor_here(const struct tables *tables);

/*
 * One by name: 06_8F, al_06_8F or, as printf 'al_%.2x%x' makes it, al_068f; what stands
 * before a / or after a - or a point does not matter. False if it is none.
 */
bool processor_named(const struct tables *tables, const char *name, struct processor *processor);

/* That of the option --cpu, else that of the name of a list (or NULL), else this one */
bool processor_for(const struct options *options, const char *path, struct processor *processor);

/* Sets the device of the list of a class. Returns 0, or -1 after printing why not. */
int find_class(struct options *options);

/*
 * Says which lines of a list for a class are not within the default list in force. Returns how
 * many there are; -1 after printing why if that list cannot be read.
 */
int say_beyond_default(const struct list *list);

/* The row of a register for the model; else that for any, if there is one. */
const struct reg *reg_like(const struct options *options, const struct model *model, uint32_t msr);

/* Prints an entry in the way of the lists. */
void print_entry(const struct options *options, const struct model *model, const char *before,
		 uint32_t msr, uint64_t mask);

/* Says what the module would refuse, if it would. Returns how many errors there are. */
unsigned int say_refused(const struct list *list);

/* Whether the head of a list names this processor, or none. Prints a warning if not. */
bool is_of_model(const struct options *options, const struct processor *processor,
		 const struct list *list);

#endif /* ALLOWLIST_TOOL_MSR_ALLOWLIST_H */
