// SPDX-License-Identifier: GPL-2.0-only
/*
 * The allowlist as a table, in two passes over its text: the first checks it
 * all and counts, the second fills a table of that size.
 */

#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "msr_table.h"

/* Moves to the next token, over white space and comments; false at the end. */
static bool find_token(struct msr_text *text)
{
	bool comment = false;

	for (; text->pos < text->end; text->pos++) {
		char c = *text->pos;

		if (c == '\n') {
			text->line++;
			comment = false;
		} else if (c == '#') {
			comment = true;
		} else if (!comment && !isspace(c)) {
			return true;
		}
	}
	return false;
}

/* Reads the token at @text->pos as a number no larger than @max. An error says why. */
static int read_number(struct msr_text *text, u64 max, u64 *value, const char *no_number,
		       const char *too_large)
{
	char *token = text->pos;
	char after;
	int err;

	while (text->pos < text->end && !isspace(*text->pos))
		text->pos++;

	after = *text->pos;
	*text->pos = '\0';
	err = kstrtoull(token, 0, value);
	*text->pos = after;

	if (!err && *value > max)
		err = -ERANGE;
	if (err)
		text->why = err == -ERANGE ? too_large : no_number;
	return err;
}

/**
 * msr_text_next() - read an entry
 * @text:	the text, after msr_text_rewind(), without NUL bytes
 * @entry:	set to the next entry
 *
 * Context: any. Return: 1, 0 at the end of the text, or with @text->line and why
 * set an error of msr_table_check().
 */
int msr_text_next(struct msr_text *text, struct msr_allowlist_entry *entry)
{
	u64 addr;
	int err;

	if (!find_token(text))
		return 0;
	text->entry_line = text->line;
	err = read_number(text, U32_MAX, &addr, "address is not a number", "address over 32 bits");
	if (err)
		return err;
	entry->msr = addr;

	if (!find_token(text)) {
		text->line = text->entry_line;
		text->why = "address without a write mask";
		return -EILSEQ;
	}
	err = read_number(text, U64_MAX, &entry->wmask, "write mask is not a number",
			  "write mask over 64 bits");
	return err ?: 1;
}

/**
 * msr_text_rewind() - begin at the start
 * @text:	the text; @start and @end are set
 *
 * Context: any.
 */
void msr_text_rewind(struct msr_text *text)
{
	text->pos = text->start;
	text->line = 1;
}

/**
 * msr_table_check() - first pass: is the text an allowlist?
 * @text:	the text; @start and @end are set
 *
 * Context: any. Return: the number of entries, at least 1, or with @text->line
 * and why set
 * -EINVAL an address or a write mask is not a number, or there is a NUL byte;
 * -ERANGE an address over 32 bits or a write mask over 64;
 * -EILSEQ the text ends after an address;
 * -ENOMSG there is no entry.
 */
int msr_table_check(struct msr_text *text)
{
	struct msr_allowlist_entry entry;
	int count = 0;
	int err;

	msr_text_rewind(text);
	if (memchr(text->start, '\0', text->end - text->start)) {
		while (*text->pos)
			if (*text->pos++ == '\n')
				text->line++;
		text->why = "NUL byte";
		return -EINVAL;
	}

	while ((err = msr_text_next(text, &entry)) > 0)
		count++;
	if (err)
		return err;
	if (!count) {
		text->why = "no entry found";
		return -ENOMSG;
	}
	return count;
}

/* A table with room for so many entries, and none in it yet */
static struct msr_table *table_alloc(unsigned int count)
{
	u32 nr_slots = roundup_pow_of_two(2 * count);
	struct msr_table *table;

	/* Accounted: an open descriptor of the device can keep an old table. */
	table = kvzalloc(struct_size(table, entries, count) + nr_slots * sizeof(u16),
			 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!table)
		return NULL;
	kref_init(&table->ref);
	table->index.slots = (u16 *)&table->entries[count];
	table->index.entries = table->entries;
	table->index.bits = ilog2(nr_slots);
	table->index.mask = nr_slots - 1;
	return table;
}

/* There is room for it, and its address is not listed yet. */
static void table_add(struct msr_table *table, const struct msr_allowlist_entry *entry)
{
	u16 *slots = (u16 *)table->index.slots;
	u32 slot = hash_32(entry->msr, table->index.bits);

	while (slots[slot])
		slot = (slot + 1) & table->index.mask;
	table->entries[table->count] = *entry;
	slots[slot] = ++table->count;
}

/**
 * msr_table_make() - second pass: the table
 * @text:	text that msr_table_check() has passed
 * @count:	number of entries that it found
 *
 * Context: may sleep. Return: the table, with one reference, which is the
 * caller's; or an error pointer, with @text->line and why set
 * -ENOTUNIQ an address is listed twice;
 * -ENOMEM no memory for the table.
 */
struct msr_table *msr_table_make(struct msr_text *text, unsigned int count)
{
	struct msr_table *table = table_alloc(count);
	struct msr_allowlist_entry entry;

	msr_text_rewind(text);
	if (!table) {
		text->why = "no memory for the table";
		return ERR_PTR(-ENOMEM);
	}
	while (table->count < count && msr_text_next(text, &entry) > 0) {
		if (msr_index_find(&table->index, entry.msr)) {
			text->line = text->entry_line;
			text->why = "address is listed twice";
			msr_table_put(table);
			return ERR_PTR(-ENOTUNIQ);
		}
		table_add(table, &entry);
	}
	return table;
}

/**
 * msr_table_within() - whether a list allows nothing that another one does not
 * @table:	the list
 * @bound:	the other one
 * @beyond:	if not, set to the number of the first entry that is beyond it, from 0
 *
 * Context: any.
 */
bool msr_table_within(const struct msr_table *table, const struct msr_table *bound,
		      unsigned int *beyond)
{
	unsigned int i;

	for (i = 0; i < table->count; i++) {
		const struct msr_allowlist_entry *entry = &table->entries[i], *most;

		most = msr_index_find(&bound->index, entry->msr);
		if (!most || entry->wmask & ~most->wmask) {
			*beyond = i;
			return false;
		}
	}
	return true;
}

/**
 * msr_table_narrow() - what a list and another one both allow
 * @table:	the list, whose order is kept
 * @bound:	the other one
 *
 * Context: may sleep. Return: a table, with a reference for the caller, which is @table itself
 * if it is within the other one; NULL if there is no memory.
 */
struct msr_table *msr_table_narrow(const struct msr_table *table, const struct msr_table *bound)
{
	struct msr_table *narrow;
	unsigned int i;

	if (msr_table_within(table, bound, &i))
		return msr_table_get(table);
	narrow = table_alloc(table->count);
	if (!narrow)
		return NULL;
	for (i = 0; i < table->count; i++) {
		struct msr_allowlist_entry entry = table->entries[i];
		const struct msr_allowlist_entry *most = msr_index_find(&bound->index, entry.msr);

		if (!most)
			continue;
		entry.wmask &= most->wmask;
		table_add(narrow, &entry);
	}
	return narrow;
}

/**
 * msr_table_make_empty() - a list in which there is nothing
 *
 * Context: may sleep. Return: a table, with a reference for the caller; NULL for no memory.
 */
struct msr_table *msr_table_make_empty(void)
{
	return table_alloc(1); /* to have an index */
}

/**
 * msr_table_get() - take a reference
 * @table:	on what; a reference is held already
 *
 * Context: any. Return: the table.
 */
struct msr_table *msr_table_get(const struct msr_table *table)
{
	struct msr_table *held = (struct msr_table *)table;

	kref_get(&held->ref);
	return held;
}

static void table_free(struct kref *ref)
{
	kvfree(container_of(ref, struct msr_table, ref));
}

/**
 * msr_table_put() - drop a reference
 * @table:	on what; freed with its last one
 *
 * Context: any but NMIs.
 */
void msr_table_put(struct msr_table *table)
{
	kref_put(&table->ref, table_free);
}
