/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of registers: the tables `models`, `registers` and `denied`, which say
 * themselves how they are laid out.
 */
#ifndef LIB_TABLES_H
#define LIB_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libmsrsafe.h"

struct model {
	unsigned int family;
	unsigned int model;
	char *key; /* as in the table and in the name of the list: 06_8F */
	char *tags;
	char *name;
};

/* A register, or registers of one kind at addresses with the same step */
struct addresses {
	uint32_t first;
	uint32_t last;
	uint32_t step;
};

struct reg {
	struct addresses at;
	char *name; /* with % for the number within the range */
	char *models;
	char *scope;
	bool listed; /* in force at first, with the mask @on */
	uint64_t on;
	bool offered; /* for the site to decide, with the mask @site */
	uint64_t site;
	char *group;
	char *what;
};

/* Bits of a register that belong together */
struct field {
	char *reg; /* name of its row */
	char *models;
	unsigned int low, high;
	char *name;
	char *what;
};

struct denial {
	struct addresses at;
	uint64_t bits;
	char *models;
	char *reason;
};

struct client {
	char *name;
	char *groups; /* that it needs, with commas */
};

/* What a client does with registers */
struct use {
	char *client;
	char *models;
	struct addresses at;
	uint64_t written; /* bits */
	bool absent; /* the list does not have it */
	uint64_t left_out; /* bits of @written that the list leaves out */
};

struct tables {
	struct model *models;
	size_t nr_models;
	struct reg *regs;
	size_t nr_regs;
	struct field *fields;
	size_t nr_fields;
	/* Rules for lists */
	struct denial *denials;
	size_t nr_denials;
	struct client *clients;
	size_t nr_clients;
	struct use *uses;
	size_t nr_uses;
};

/*
 * Reads the tables of a directory: models, registers and fields. Returns 0, or a negative errno,
 * and no tables.
 */
int msr_safe_tables_read(struct tables *tables, const char *directory,
			 struct msr_safe_error *error);

/* Adds the rules for lists: what is denied, and what clients need. The same otherwise */
int msr_safe_tables_read_rules(struct tables *tables, const char *directory,
			       struct msr_safe_error *error);
void msr_safe_tables_free(struct tables *tables);

/* The model of a family and a number; NULL if it is not in the table. */
const struct model *msr_safe_tables_model(const struct tables *tables, unsigned int family,
					  unsigned int model);

/*
 * Whether the model has one of these tags, and none that stand after a -. Where the
 * model is not known, NULL, whatever any model has counts.
 */
bool msr_safe_model_has(const struct model *model, const char *tags);

/* Whether a word is among words that blanks are between */
bool msr_safe_has_word(const char *words, const char *word, size_t len);

static inline bool addresses_have(const struct addresses *at, uint32_t msr)
{
	return msr >= at->first && msr <= at->last && (msr - at->first) % at->step == 0;
}

/* The row of a register for a model, from the row after @from on; NULL for no more. */
const struct reg *msr_safe_tables_reg(const struct tables *tables, const struct model *model,
				      uint32_t msr, const struct reg *from);

/*
 * The row of a register by which its commented entry counts when the site has decided for
 * these groups, with commas, or for all: of several, the last. NULL if there is none.
 */
const struct reg *msr_safe_tables_decided(const struct tables *tables, const struct model *model,
					  uint32_t msr, const char *groups);

const struct client *msr_safe_tables_client(const struct tables *tables, const char *name);

/*
 * Finds a register by its name of LEN bytes, in upper or lower case, with IA32_ or MSR_ in front
 * or without: that of the model if it has one, otherwise that of any. NULL if there is none.
 */
const struct reg *msr_safe_tables_named(const struct tables *tables, const struct model *model,
					const char *name, size_t len, uint32_t *msr);

/* A field of a register for a model, from the row after @from on; NULL for no more. */
const struct field *msr_safe_tables_field(const struct tables *tables, const struct model *model,
					  const struct reg *reg, const struct field *from);

/* Writes the name of a register to a buffer of REG_NAME_SIZE bytes. */
#define REG_NAME_SIZE MSR_SAFE_NAME_SIZE
void msr_safe_reg_name(const struct reg *reg, uint32_t msr, char *name);

#endif /* LIB_TABLES_H */
