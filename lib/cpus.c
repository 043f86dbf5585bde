// SPDX-License-Identifier: GPL-2.0-only

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libmsrsafe.h"

#define ONLINE_PATH "/sys/devices/system/cpu/online"

void msr_safe_cpus_add(struct msr_safe_cpus *set, unsigned int cpu)
{
	set->bits[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

bool msr_safe_cpus_has(const struct msr_safe_cpus *set, unsigned int cpu)
{
	return set->bits[cpu / 64] >> cpu % 64 & 1;
}

bool msr_safe_cpus_empty(const struct msr_safe_cpus *set)
{
	return msr_safe_cpus_next(set, 0) == MSR_SAFE_CPUS_MAX;
}

unsigned int msr_safe_cpus_next(const struct msr_safe_cpus *set, unsigned int from)
{
	uint64_t word;

	while (from < MSR_SAFE_CPUS_MAX) {
		word = set->bits[from / 64] >> from % 64;
		if (word)
			return from + __builtin_ctzll(word);
		from = (from / 64 + 1) * 64;
	}
	return MSR_SAFE_CPUS_MAX;
}

unsigned int msr_safe_cpus_count(const struct msr_safe_cpus *set)
{
	unsigned int i, count = 0;

	for (i = 0; i < MSR_SAFE_CPUS_MAX / 64; i++)
		count += __builtin_popcountll(set->bits[i]);
	return count;
}

struct msr_safe_cpus msr_safe_cpus_intersect(const struct msr_safe_cpus *a,
					     const struct msr_safe_cpus *b)
{
	struct msr_safe_cpus both;
	unsigned int i;

	for (i = 0; i < MSR_SAFE_CPUS_MAX / 64; i++)
		both.bits[i] = a->bits[i] & b->bits[i];
	return both;
}

struct msr_safe_cpus msr_safe_cpus_subtract(const struct msr_safe_cpus *a,
					    const struct msr_safe_cpus *b)
{
	struct msr_safe_cpus rest;
	unsigned int i;

	for (i = 0; i < MSR_SAFE_CPUS_MAX / 64; i++)
		rest.bits[i] = a->bits[i] & ~b->bits[i];
	return rest;
}

static bool parse_number(const char **text, unsigned int *number)
{
	const char *digit = *text;

	for (*number = 0; *digit >= '0' && *digit <= '9'; digit++) {
		*number = *number * 10 + (*digit - '0');
		if (*number > MSR_SAFE_CPUS_MAX)
			return false;
	}
	if (digit == *text)
		return false;
	*text = digit;
	return true;
}

static bool skip(const char **text, char c)
{
	if (**text != c)
		return false;
	++*text;
	return true;
}

int msr_safe_cpus_scan(struct msr_safe_cpus *set, const char **text)
{
	unsigned int first, last, step, work = 0;

	memset(set, 0, sizeof(*set));
	do {
		if (!parse_number(text, &first))
			return -EINVAL;
		last = first;
		step = 1;
		if (skip(text, '-')) {
			if (!parse_number(text, &last))
				return -EINVAL;
			if (skip(text, ':') && (!parse_number(text, &step) || step == 0))
				return -EINVAL;
		}
		if (last < first || last >= MSR_SAFE_CPUS_MAX)
			return -EINVAL;
		/* A list that names the same CPUs over and over is refused. */
		work += (last - first) / step + 1;
		if (work > 4 * MSR_SAFE_CPUS_MAX)
			return -EINVAL;
		for (; first <= last; first += step)
			msr_safe_cpus_add(set, first);
	} while (skip(text, ','));
	return 0;
}

int msr_safe_cpus_parse(struct msr_safe_cpus *set, const char *text)
{
	return !msr_safe_cpus_scan(set, &text) && *text == '\0' ? 0 : -EINVAL;
}

/* The first range of the set from a CPU on; false if there is none. */
static bool next_range(const struct msr_safe_cpus *set, unsigned int from, unsigned int *first,
		       unsigned int *last)
{
	*first = msr_safe_cpus_next(set, from);
	for (*last = *first; *last + 1 < MSR_SAFE_CPUS_MAX && msr_safe_cpus_has(set, *last + 1);)
		++*last;
	return *first < MSR_SAFE_CPUS_MAX;
}

/* Writes a range; returns its length. */
#define RANGE_SIZE 16
static int format_range(char *text, unsigned int first, unsigned int last, bool comma)
{
	return snprintf(text, RANGE_SIZE, first == last ? "%s%u" : "%s%u-%u", comma ? "," : "",
			first, last);
}

size_t msr_safe_cpus_format(const struct msr_safe_cpus *set, char *text, size_t size)
{
	unsigned int first, last = 0;
	char range[RANGE_SIZE];
	size_t len = 0;
	int i, end;

	while (next_range(set, len ? last + 1 : 0, &first, &last)) {
		end = format_range(range, first, last, len > 0);
		for (i = 0; i < end; i++, len++)
			if (len + 1 < size)
				text[len] = range[i];
	}
	if (size)
		text[len < size ? len : size - 1] = '\0';
	return len;
}

void msr_safe_cpus_print(FILE *stream, const struct msr_safe_cpus *set)
{
	unsigned int first, last;
	char range[RANGE_SIZE];
	bool comma = false;

	for (first = 0; next_range(set, first, &first, &last); first = last + 1, comma = true) {
		format_range(range, first, last, comma);
		fputs(range, stream);
	}
}

int msr_safe_cpus_online(struct msr_safe_cpus *set)
{
	FILE *file = fopen(ONLINE_PATH, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int err = 0;

	if (!file)
		return -errno;
	len = getline(&line, &size, file);
	if (len > 0 && line[len - 1] == '\n')
		line[len - 1] = '\0';
	if (len <= 0 || msr_safe_cpus_parse(set, line))
		err = ferror(file) ? -errno : -EPROTO;
	free(line);
	fclose(file);
	return err;
}
