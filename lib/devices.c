// SPDX-License-Identifier: GPL-2.0-only

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../msr_version.h"
#include "array.h"
#include "devices.h"
#include "node.h"

int allowlist_add(struct allowlist *list, uint32_t msr, uint64_t mask)
{
	struct msr_allowlist_entry *entries =
		array_with_room(list->entries, list->count, sizeof(*entries));

	if (!entries)
		return -1;
	list->entries = entries;
	entries[list->count++] = (struct msr_allowlist_entry){ .msr = msr, .wmask = mask };
	return 0;
}

const struct msr_allowlist_entry *allowlist_find(const struct allowlist *list, uint32_t msr)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (list->entries[i].msr == msr)
			return &list->entries[i];
	return NULL;
}

void allowlist_free(struct allowlist *list)
{
	free(list->entries);
	*list = (struct allowlist){ 0 };
}

bool parse_hex(const char **text, unsigned int digits, uint64_t *value)
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

bool allowlist_parse_entry(const char **text, struct msr_allowlist_entry *entry)
{
	const char *p = *text;
	uint64_t msr, mask;

	if (!parse_hex(&p, 8, &msr) || *p++ != ' ' || !parse_hex(&p, 16, &mask))
		return false;
	*entry = (struct msr_allowlist_entry){ .msr = msr, .wmask = mask };
	*text = p;
	return true;
}

int allowlist_read(struct allowlist *list)
{
	return allowlist_read_from(list, ALLOWLIST_PATH);
}

int allowlist_read_from(struct allowlist *list, const char *path)
{
	FILE *file = fopen(path, "re");
	struct msr_allowlist_entry entry;
	const char *text;
	char line[64];
	int err = 0;

	*list = (struct allowlist){ 0 };
	if (!file)
		return -1;
	if (node_check(fileno(file), ALLOWLIST_NAME))
		err = errno;
	while (!err && fgets(line, sizeof(line), file)) {
		text = line;
		if (line[0] == '#')
			continue;
		if (!allowlist_parse_entry(&text, &entry) || strcmp(text, "\n") != 0)
			err = EPROTO;
		else if (allowlist_add(list, entry.msr, entry.wmask))
			err = errno;
	}
	if (ferror(file))
		err = errno;
	fclose(file);
	if (err) {
		allowlist_free(list);
		errno = err;
	}
	return err ? -1 : 0;
}

int batch_open(void)
{
	int fd = open(BATCH_PATH, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && node_check(fd, BATCH_NAME)) {
		close(fd);
		errno = ENODEV;
		return -1;
	}
	return fd;
}

/* Operations that were carried out have another error than BATCH_NOT_RUN. */
static bool all_run(const struct msr_batch_op *ops, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (ops[i].err == BATCH_NOT_RUN)
			return false;
	return true;
}

int batch_run(int fd, struct msr_batch_op *ops, size_t count)
{
	struct msr_batch_array batch = { .version = MSR_SAFE_VERSION_u32 };
	size_t most = MSR_BATCH_MAX_OPS, i;

	for (i = 0; i < count; i++)
		ops[i].err = BATCH_NOT_RUN;
	while (count > 0) {
		batch.ops = ops;
		batch.numops = count < most ? count : most;
		if (ioctl(fd, X86_IOC_MSR_BATCH, &batch) && !all_run(ops, batch.numops)) {
			/* Also how the module says that it has no memory for so many */
			if (errno != E2BIG || batch.numops == 1)
				return -1;
			most = batch.numops / 2;
			continue;
		}
		ops += batch.numops;
		count -= batch.numops;
	}
	return 0;
}

int fields_run(int fd, struct msr_op *ops, size_t count)
{
	struct msr_ops head = { .size = sizeof(head), .op_size = sizeof(*ops) };

	for (; count > 0; ops += head.count, count -= head.count) {
		head.ops = (uintptr_t)ops;
		head.count = count < MSR_BATCH_MAX_OPS ? count : MSR_BATCH_MAX_OPS;
		if (ioctl(fd, MSR_IOC_OPS, &head) < 0)
			return -1;
	}
	return 0;
}
