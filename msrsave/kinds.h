/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes of a value that is written to a register.
 */
#ifndef MSRSAVE_KINDS_H
#define MSRSAVE_KINDS_H

#include <stdint.h>

enum kind {
	KIND_UNKNOWN, /* not in the table for this processor: it stays, or counts */
	KIND_STATE, /* it stays */
	KIND_LOG, /* a write only clears bits, which the processor sets */
	KIND_COUNTER, /* the processor counts on from it */
	KIND_KERNEL, /* the kernel writes the register too, while a cpufreq driver is active */
};

/* Registers of some models: each is family << 8 | model, and 0 ends them. */
struct kind_row {
	uint32_t first, last, step;
	enum kind kind;
	const unsigned short *models;
};

/* Generated from allowlists/tables/registers */
extern const struct kind_row kind_rows[];
extern const unsigned int kind_rows_count;

/* The kind of a register on this processor */
enum kind kind_of(uint32_t msr);

#endif /* MSRSAVE_KINDS_H */
