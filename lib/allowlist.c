// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list in force.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "allowlist.h"
#include "array.h"

int msr_safe_allowlist_add(struct msr_safe_allowlist *list, uint32_t msr, uint64_t mask)
{
	struct msr_allowlist_entry *entries =
		array_with_room(list->entries, list->count, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	list->entries = entries;
	entries[list->count++] = (struct msr_allowlist_entry){ .msr = msr, .wmask = mask };
	return 0;
}

const struct msr_allowlist_entry *msr_safe_allowlist_find(const struct msr_safe_allowlist *list,
							  uint32_t msr)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (list->entries[i].msr == msr)
			return &list->entries[i];
	return NULL;
}

void msr_safe_allowlist_free(struct msr_safe_allowlist *list)
{
	free(list->entries);
	*list = (struct msr_safe_allowlist){ 0 };
}

bool msr_safe_parse_hex(const char **text, unsigned int digits, uint64_t *value)
{
	static const char hex[] = "0123456789abcdef0123456789ABCDEF";
	const char *p = *text, *digit;
	uint64_t sum = 0;

	if (p[0] != '0' || p[1] != 'x')
		return false;
	for (p += 2; digits > 0; digits--, p++) {
		digit = *p ? strchr(hex, *p) : NULL;
		if (!digit)
			return false;
		sum = sum << 4 | (digit - hex) % 16;
	}
	*text = p;
	*value = sum;
	return true;
}

bool msr_safe_parse_entry(const char **text, struct msr_allowlist_entry *entry)
{
	const char *p = *text;
	uint64_t msr, mask;

	if (!msr_safe_parse_hex(&p, 8, &msr) || *p++ != ' ' || !msr_safe_parse_hex(&p, 16, &mask))
		return false;
	*entry = (struct msr_allowlist_entry){ .msr = msr, .wmask = mask };
	*text = p;
	return true;
}

static int read_entries(struct msr_safe_allowlist *list, FILE *file)
{
	struct msr_allowlist_entry entry;
	const char *text;
	char line[64];
	int err;

	while (fgets(line, sizeof(line), file)) {
		text = line;
		if (line[0] == '#')
			continue;
		if (!msr_safe_parse_entry(&text, &entry) || strcmp(text, "\n") != 0)
			return -EPROTO;
		err = msr_safe_allowlist_add(list, entry.msr, entry.wmask);
		if (err)
			return err;
	}
	return ferror(file) ? -errno : 0;
}

int msr_safe_allowlist_read(struct msr_safe_allowlist *list, const char *path,
			    struct msr_safe_error *error)
{
	FILE *file;
	int err;

	*list = (struct msr_safe_allowlist){ 0 };
	if (!path)
		path = MSR_SAFE_ALLOWLIST_PATH;
	file = fopen(path, "re");
	if (!file)
		return msr_safe_explain(error, path, -errno);
	err = msr_safe_check(fileno(file), path);
	if (!err)
		err = read_entries(list, file);
	fclose(file);
	if (err) {
		msr_safe_allowlist_free(list);
		msr_safe_explain(error, path, err);
	}
	return err;
}
