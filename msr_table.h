/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The allowlist as a table: made from text, and looked things up in.
 * Immutable once made; knows nothing of devices, locks or who reads it.
 */
#ifndef MSR_TABLE_H
#define MSR_TABLE_H

#include <linux/hash.h>
#include <linux/kref.h>
#include <linux/types.h>

#include "msr_allowlist_entry.h"

/**
 * struct msr_index - a hash index over the addresses of entries
 * @slots:	open addressing with linear probing: one more than the number
 *		of an entry, or 0 for a free slot; at least half of them are free
 * @entries:	the entries
 * @bits:	the binary logarithm of the number of slots
 * @mask:	the number of slots, a power of two, less one
 */
struct msr_index {
	const u16 *slots;
	const struct msr_allowlist_entry *entries;
	u32 bits;
	u32 mask;
};

/**
 * struct msr_table - the entries in the order given, and an index of them
 * @ref:	who holds it; freed by msr_table_put() of the last
 * @count:	number of @entries
 * @generation:	how many lists there had been when it came into force
 * @index:	where to look an address up
 * @entries:	the entries
 */
struct msr_table {
	struct kref ref;
	unsigned int count;
	unsigned long generation;
	struct msr_index index;
	struct msr_allowlist_entry entries[];
};

/**
 * struct msr_text - text of an allowlist on its way to being a table
 * @start:	the text; changed while it is read, restored afterwards
 * @end:	its end, where a byte is free for a NUL
 * @pos:	what has been read
 * @line:	the line that @pos is on, from 1; after an error the one that is wrong
 * @entry_line:	the line that the last entry begins on
 * @why:	after an error: what is wrong with it
 */
struct msr_text {
	char *start;
	char *end;
	char *pos;
	unsigned int line;
	unsigned int entry_line;
	const char *why;
};

void msr_text_rewind(struct msr_text *text);
int msr_text_next(struct msr_text *text, struct msr_allowlist_entry *entry);
int msr_table_check(struct msr_text *text);
struct msr_table *msr_table_make(struct msr_text *text, unsigned int count);
struct msr_table *msr_table_narrow(const struct msr_table *table, const struct msr_table *bound);
bool msr_table_within(const struct msr_table *table, const struct msr_table *bound,
		      unsigned int *beyond);
struct msr_table *msr_table_make_empty(void);
struct msr_table *msr_table_get(const struct msr_table *table);
void msr_table_put(struct msr_table *table);

/**
 * msr_index_find() - look a register up
 * @index:	where
 * @addr:	address of the register
 *
 * Context: any. Return: its entry, or NULL if it is not listed.
 */
static inline const struct msr_allowlist_entry *msr_index_find(const struct msr_index *index,
							       u32 addr)
{
	u32 slot = hash_32(addr, index->bits);
	u32 nr;

	while ((nr = index->slots[slot])) {
		const struct msr_allowlist_entry *entry = &index->entries[nr - 1];

		if (entry->msr == addr)
			return entry;
		slot = (slot + 1) & index->mask;
	}
	return NULL;
}

#endif /* MSR_TABLE_H */
