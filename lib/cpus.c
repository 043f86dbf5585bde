// SPDX-License-Identifier: GPL-2.0-only

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpus.h"

#define ONLINE_PATH "/sys/devices/system/cpu/online"

unsigned int cpus_from(const struct cpus *set, unsigned int from)
{
	uint64_t word;

	while (from < CPUS_MAX) {
		word = set->bits[from / 64] >> from % 64;
		if (word)
			return from + __builtin_ctzll(word);
		from = (from / 64 + 1) * 64;
	}
	return CPUS_MAX;
}

unsigned int cpus_count(const struct cpus *set)
{
	unsigned int i, count = 0;

	for (i = 0; i < CPUS_MAX / 64; i++)
		count += __builtin_popcountll(set->bits[i]);
	return count;
}

struct cpus cpus_both(const struct cpus *a, const struct cpus *b)
{
	struct cpus both;
	unsigned int i;

	for (i = 0; i < CPUS_MAX / 64; i++)
		both.bits[i] = a->bits[i] & b->bits[i];
	return both;
}

struct cpus cpus_without(const struct cpus *a, const struct cpus *b)
{
	struct cpus rest;
	unsigned int i;

	for (i = 0; i < CPUS_MAX / 64; i++)
		rest.bits[i] = a->bits[i] & ~b->bits[i];
	return rest;
}

static bool parse_number(const char **text, unsigned int *number)
{
	const char *digit = *text;

	for (*number = 0; *digit >= '0' && *digit <= '9'; digit++) {
		*number = *number * 10 + (*digit - '0');
		if (*number > CPUS_MAX)
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

bool cpus_scan(struct cpus *set, const char **text)
{
	unsigned int first, last, step, work = 0;

	memset(set, 0, sizeof(*set));
	do {
		if (!parse_number(text, &first))
			return false;
		last = first;
		step = 1;
		if (skip(text, '-')) {
			if (!parse_number(text, &last))
				return false;
			if (skip(text, ':') && (!parse_number(text, &step) || step == 0))
				return false;
		}
		if (last < first || last >= CPUS_MAX)
			return false;
		/* A list that names the same CPUs over and over is refused. */
		work += (last - first) / step + 1;
		if (work > 4 * CPUS_MAX)
			return false;
		for (; first <= last; first += step)
			cpus_add(set, first);
	} while (skip(text, ','));
	return true;
}

bool cpus_parse(struct cpus *set, const char *text)
{
	return cpus_scan(set, &text) && *text == '\0';
}

void cpus_print(FILE *stream, const struct cpus *set)
{
	unsigned int first, last;
	const char *comma = "";

	for (first = cpus_from(set, 0); first < CPUS_MAX; first = cpus_from(set, last + 1)) {
		last = first;
		while (last + 1 < CPUS_MAX && cpus_has(set, last + 1))
			last++;
		fprintf(stream, first == last ? "%s%u" : "%s%u-%u", comma, first, last);
		comma = ",";
	}
}

int cpus_online(struct cpus *set)
{
	FILE *file = fopen(ONLINE_PATH, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int err = 0;

	if (!file)
		return -1;
	len = getline(&line, &size, file);
	if (len > 0 && line[len - 1] == '\n')
		line[len - 1] = '\0';
	if (len <= 0 || !cpus_parse(set, line))
		err = ferror(file) ? errno : EPROTO;
	free(line);
	fclose(file);
	errno = err;
	return err ? -1 : 0;
}
