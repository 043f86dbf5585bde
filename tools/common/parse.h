/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Words of a command line. Functions return whether the whole word is what they read.
 */
#ifndef COMMON_PARSE_H
#define COMMON_PARSE_H

#include "../../lib/libmsrsafe.h"

/* A number from MIN to MAX */
bool parse_number(const char *text, double min, double max, double *value);

/* A whole number up to MAX: decimal, or hexadecimal after 0x, or octal after 0 */
bool parse_integer(const char *text, uint64_t max, uint64_t *value);

/*
 * Finds a register, or a field of one, by its name or address. The tables are read for the first
 * name: *@registers is NULL before, and is freed by the caller. Returns 0; -EINVAL after printing
 * that the word names no register; or another negative errno after printing why the tables
 * cannot be read.
 */
int find_register(struct msr_safe_registers **registers, const char *word,
		  struct msr_safe_register *reg);

/* Reads the tables of registers for this processor. Returns 0, or a negative errno after printing
 * why. */
int read_registers(struct msr_safe_registers **registers);

#endif /* COMMON_PARSE_H */
