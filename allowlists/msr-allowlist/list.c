// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's own parser reads the text, so that both say the same of it.
 */

#include <ctype.h>
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

static bool repeats(const struct list *list, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (list->entries[j].msr == list->entries[i].msr &&
		    list->entries[j].wmask == list->entries[i].wmask)
			return true;
	return false;
}

/* Blanks out words, and leaves comments and the ends of lines. */
static void blank(char *from, const char *to)
{
	bool comment = false;

	for (; from < to; from++) {
		if (*from == '\n')
			comment = false;
		else if (*from == '#')
			comment = true;
		else if (!comment)
			*from = ' ';
	}
}

void list_drop_repeats(struct list *list)
{
	struct msr_text text = { .start = list->text, .end = list->text + list->size };
	struct msr_allowlist_entry entry;
	const char *path = list->path;
	size_t size = list->size, i;
	char *from;

	if (list->err != -ENOTUNIQ)
		return;
	msr_text_rewind(&text);
	for (i = 0; from = text.pos, msr_text_next(&text, &entry) > 0; i++) {
		if (!repeats(list, i))
			continue;
		warnx("%s: line %u: 0x%X repeats an earlier entry: dropped", path, list->lines[i],
		      (unsigned int)entry.msr);
		blank(from, text.pos);
	}
	list->text = NULL;
	list_free(list);
	list_parse(list, path, text.start, size);
}

bool list_names_model(const struct list *list, unsigned int *family, unsigned int *model)
{
	const char *line = list->text, *found;

	for (; line && (*line == '#' || *line == '\n'); line += *line == '\n') {
		size_t len = strcspn(line, "\n");

		found = memmem(line, len, ": family ", strlen(": family "));
		if (found && sscanf(found, ": family %2xh, model %2xh", family, model) == 2)
			return true;
		line += len;
	}
	return false;
}

/* The last word before @pos that is no comment: its start, and its length in *@len */
static const char *word_before(const char *start, const char *pos, size_t *len)
{
	const char *word = pos;

	while (word > start && !isspace((unsigned char)word[-1]))
		word--;
	*len = pos - word;
	return word;
}

unsigned int list_say_errors(const struct list *list)
{
	struct msr_text text = { 0 };
	unsigned int errors = 0;
	char *line, *end;
	size_t len;
	int wrong;

	if (!list->line || list->size > LIST_SIZE_MAX) {
		warnx("%s: %s", list->path, list->why);
		return 1;
	}
	text.start = malloc(list->size + 1);
	if (!text.start)
		err(1, "%s", list->path);
	memcpy(text.start, list->text, list->size + 1);
	text.end = text.start + list->size;
	/* A line that is wrong is blanked out: what comes after it is read as well. */
	while ((wrong = msr_table_check(&text)) < 0 && !(errors && wrong == -ENOMSG)) {
		const char *word = word_before(text.start, text.pos, &len);
		unsigned int i;

		warnx("%s: line %u: %s%s%.*s", list->path, text.line, text.why,
		      wrong == -ENOMSG || wrong == -EILSEQ || !len ? "" : ": ",
		      wrong == -ENOMSG || wrong == -EILSEQ ? 0 : (int)len, word);
		errors++;
		for (line = text.start, i = 1; i < text.line; i++)
			line = memchr(line, '\n', text.end - line) + 1;
		end = memchr(line, '\n', text.end - line);
		memset(line, ' ', (end ? end : text.end) - line);
	}
	free(text.start);
	if (!errors) { /* What only the second pass finds */
		warnx("%s: line %u: %s", list->path, list->line, list->why);
		errors++;
	}
	return errors;
}

void list_free(struct list *list)
{
	free(list->text);
	free(list->entries);
	free(list->lines);
	*list = (struct list){ 0 };
}
