/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The text of an allowlist, read as the module reads it.
 */
#ifndef ALLOWLIST_TOOL_LIST_H
#define ALLOWLIST_TOOL_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../msr_allowlist_entry.h"

/* The longest that one write to the device takes */
#define LIST_SIZE_MAX (128 * 1024 + 1)

/**
 * struct list - a text, and what the module would say of it
 * @path:	where it is from, for messages
 * @text:	all of it, and a NUL
 * @size:	how long it is, without that
 * @entries:	as far as it can be read; also those that are listed twice
 * @lines:	the line that the address of each is on
 * @count:	number of @entries
 * @err:	0, or the negative errno of the write
 * @line:	with @err: the line that is wrong, or 0 for all of it
 * @why:	with @err: what is wrong
 */
struct list {
	const char *path;
	char *text;
	size_t size;
	struct msr_allowlist_entry *entries;
	unsigned int *lines;
	size_t count;
	int err;
	unsigned int line;
	const char *why;
};

/* Reads a file, - for standard input. Returns 0, or -1 after printing why it cannot. */
int list_read(struct list *list, const char *path);

/* Parses @size bytes at @text as the module does. The list frees them. */
void list_parse(struct list *list, const char *path, char *text, size_t size);

/*
 * Drops each entry that repeats an earlier one with the same mask, for which the module
 * refuses the list. Says which. Comments and the numbers of lines stay.
 */
void list_drop_repeats(struct list *list);

/* The processor that a comment at the head of the list names; false if none does. */
bool list_names_model(const struct list *list, unsigned int *family, unsigned int *model);

/*
 * Says what is wrong with the text, line by line, with the word that is wrong. Returns how
 * many errors there are.
 */
unsigned int list_say_errors(const struct list *list);

void list_free(struct list *list);

#endif /* ALLOWLIST_TOOL_LIST_H */
