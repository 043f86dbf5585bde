// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's own parser reads the text, so that both say the same of it.
 */

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/err.h>

#include "../../lib/array.h"
#include "../../msr_table.h"
#include "list.h"

static void refuse(struct list *list, int err, unsigned int line, const char *why)
{
	list->err = err;
	list->line = line;
	list->why = why;
}

/* As far as the text can be read, whether or not the module takes it */
static void add_entries(struct list *list, struct msr_text *text)
{
	struct msr_allowlist_entry entry;

	msr_text_rewind(text);
	while (msr_text_next(text, &entry) > 0) {
		list->entries = array_with_room(list->entries, list->count, sizeof(*list->entries));
		list->lines = array_with_room(list->lines, list->count, sizeof(*list->lines));
		if (!list->entries || !list->lines)
			err(1, "%s", list->path);
		list->entries[list->count] = entry;
		list->lines[list->count++] = text->entry_line;
	}
}

void list_parse(struct list *list, const char *path, char *bytes, size_t size)
{
	struct msr_text text = { .start = bytes, .end = bytes + size };
	struct msr_table *table;
	int count;

	*list = (struct list){ .path = path, .text = bytes, .size = size };
	if (size > LIST_SIZE_MAX) {
		refuse(list, -E2BIG, 0, "over 131073 bytes");
		return;
	}
	count = msr_table_check(&text);
	if (count < 0) {
		refuse(list, count, text.line, text.why);
		if (count != -EINVAL || !memchr(bytes, '\0', size))
			add_entries(list, &text);
		return;
	}
	table = msr_table_make(&text, count);
	if (IS_ERR(table))
		refuse(list, PTR_ERR(table), text.line, text.why);
	else
		msr_table_put(table);
	add_entries(list, &text);
}

int list_read(struct list *list, const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	size_t size = 0, got;
	char *text = NULL;
	int ret = -1;

	*list = (struct list){ .path = path };
	if (!file) {
		warn("%s", path);
		return -1;
	}
	do { /* One byte more than may be tells that there are too many. */
		text = realloc(text, size + 4096 + 1);
		if (!text)
			err(1, "%s", path);
		got = fread(text + size, 1, 4096, file);
		size += got;
	} while (got > 0 && size <= LIST_SIZE_MAX);
	if (ferror(file)) {
		warn("%s", path);
		free(text);
	} else {
		text[size] = '\0';
		list_parse(list, path, text, size);
		ret = 0;
	}
	if (file != stdin)
		fclose(file);
	return ret;
}

void list_free(struct list *list)
{
	free(list->text);
	free(list->entries);
	free(list->lines);
	*list = (struct list){ 0 };
}
