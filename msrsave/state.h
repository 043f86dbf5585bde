/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What msrsave saves, and the file that it saves it in.
 *
 * The file is text:
 *
 *	msrsave-format 1
 *	version 2.0.0
 *	host node17
 *	time 2026-11-22T23:40:00Z
 *	cpus 0-3,6-9
 *	list 0x00000010 0x0000000000000000
 *	list 0x00000199 0x000000000000FFFF
 *	list 0x000001B0 0x000000000000000F
 *	msr 0x00000199 0x0000000000001234 0-3
 *	msr 0x00000199 0x0000000000001500 6-9
 *	absent 0x000001B0 0-3
 *	absent 0x000001B0 6-9
 *	values 8
 *	crc32 0x1A2B3C4D
 *
 * in this order. Lines that begin with # say nothing, nor do empty ones. "list" is the
 * allowlist that was in force, as the device gives it; "msr" what the bits held that
 * could be written, of CPUs that follow upon each other; "absent" what those CPUs do
 * not have. Registers are in the order of the list, CPUs of each ascend. "values" is
 * how many registers of how many CPUs the "msr" lines have. "crc32" is the CRC-32 of
 * all bytes before its line.
 */
#ifndef MSRSAVE_STATE_H
#define MSRSAVE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/libmsrsafe.h"

/* What a file begins with */
#define STATE_MAGIC "msrsave-format "

/* What its last line begins with, and how long that line is, with its newline */
#define STATE_CRC_KEY "crc32 "
#define STATE_CRC_LINE_LEN (sizeof(STATE_CRC_KEY "0x12345678\n") - 1)

/* Bounds of a file: bytes of it, lines of the list, and registers times CPUs in it */
#define STATE_MAX_BYTES (256u << 20)
#define STATE_MAX_LIST (32u << 10)
#define STATE_MAX_VALUES (4u << 20)

/* What a register of a CPU held, in the bits of the list's mask */
struct state_value {
	uint64_t value;
	uint32_t msr;
	uint16_t cpu;
	bool absent; /* the CPU does not have it */
};

struct state {
	char version[64]; /* of the msrsave that saved it */
	char host[65];
	char time[32]; /* UTC, ISO 8601 */
	struct msr_safe_cpus cpus;
	struct msr_safe_allowlist list;
	struct state_value *values;
	size_t count;
};

void state_free(struct state *state);

/* CRC-32 as of ISO/IEC 3309 and zlib */
uint32_t state_crc32(const char *bytes, size_t len);

/* The text of a file, to be freed. Returns 0, or -1 with errno set (EFBIG: too much). */
int state_format(const struct state *state, char **text, size_t *len);

/*
 * Reads the text of a file. @text has a byte of 0 after its @len. Returns NULL, or
 * why the text is refused (a static text), and an empty state.
 */
const char *state_parse(struct state *state, const char *text, size_t len);

/*
 * Whether a file can be saved at @path, as far as can be told before: nothing is
 * there, or a file of msrsave's, or an empty one. Returns NULL, or why not.
 */
const char *state_obstacle(const char *path);

/*
 * Saves to @path, with permissions 0600. At any moment there is the file that was
 * there before, or the whole new one; *@replaced is which. Returns NULL, or why it
 * could not be saved, or if it was replaced, why it may be gone if the system crashes.
 */
const char *state_save(const struct state *state, const char *path, bool *replaced);

/* Loads from @path, which is no symbolic link. Returns as state_parse(). */
const char *state_load(struct state *state, const char *path);

#endif /* MSRSAVE_STATE_H */
