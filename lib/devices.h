/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's devices, as programs use them: the allowlist in force, and batches.
 */
#ifndef LIB_DEVICES_H
#define LIB_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../msr_allowlist_entry.h"
#include "../msr_safe.h"

/* Nodes, and what /proc/devices calls them */
#define ALLOWLIST_NAME "msr_allowlist"
#define ALLOWLIST_PATH "/dev/cpu/" ALLOWLIST_NAME
#define BATCH_NAME "msr_batch"
#define BATCH_PATH "/dev/cpu/" BATCH_NAME

/* Registers in the order of the list, each once; freed with allowlist_free() */
struct allowlist {
	size_t count;
	struct msr_allowlist_entry *entries;
};

/* Adds an entry. Returns 0, or -1 with errno ENOMEM. */
int allowlist_add(struct allowlist *list, uint32_t msr, uint64_t mask);

/* The entry of a register; NULL if it is not listed. */
const struct msr_allowlist_entry *allowlist_find(const struct allowlist *list, uint32_t msr);

/*
 * Reads the list in force. Returns 0, or -1 with errno set (ENODEV: another file is at its
 * path), and an empty list.
 */
int allowlist_read(struct allowlist *list);

/* The same of the list of a class of users, which has a node of its own. */
int allowlist_read_from(struct allowlist *list, const char *path);

void allowlist_free(struct allowlist *list);

/*
 * Reads an entry as the module writes it, "0x%08X 0x%016llX", and moves *@text past
 * it. False, and *@text where it was, if there is none.
 */
bool allowlist_parse_entry(const char **text, struct msr_allowlist_entry *entry);

/* Reads 0x and so many hexadecimal digits; else like allowlist_parse_entry(). */
bool parse_hex(const char **text, unsigned int digits, uint64_t *value);

/* What the module never says of an operation: it was not carried out */
#define BATCH_NOT_RUN 1

/*
 * Carries out any number of operations, in as few calls as may be. Returns 0 if it
 * did, and each operation says in err what became of it; or -1 with errno set, and
 * those that were not carried out say BATCH_NOT_RUN.
 */
int batch_run(int fd, struct msr_batch_op *ops, size_t count);

/*
 * Carries out any number of extended operations. Returns 0 if it did, and each says in err what
 * became of it; or -1 with errno set (ENOTTY: the module does not have them), and some may have
 * been carried out.
 */
int fields_run(int fd, struct msr_op *ops, size_t count);

/* Opens the batch device. Returns a descriptor, or -1 with errno set as above. */
int batch_open(void);

#endif /* LIB_DEVICES_H */
