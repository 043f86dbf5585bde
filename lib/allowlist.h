/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists, as programs of this project also make them.
 */
#ifndef LIB_ALLOWLIST_H
#define LIB_ALLOWLIST_H

#include "libmsrsafe.h"

/* Adds an entry. Returns 0 or -ENOMEM. */
int msr_safe_allowlist_add(struct msr_safe_allowlist *list, uint32_t msr, uint64_t mask);

/*
 * Reads an entry as the module writes it, "0x%08X 0x%016llX", and moves *@text past
 * it. False, and *@text where it was, if there is none.
 */
bool msr_safe_parse_entry(const char **text, struct msr_allowlist_entry *entry);

/* Reads 0x and so many hexadecimal digits; else like msr_safe_parse_entry(). */
bool msr_safe_parse_hex(const char **text, unsigned int digits, uint64_t *value);

#endif /* LIB_ALLOWLIST_H */
