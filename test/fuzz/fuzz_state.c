// SPDX-License-Identifier: GPL-2.0-only
/*
 * Texts that libFuzzer makes up, as files of msrsave: as they are, and with the right
 * checksum at their end. What is taken is within its bounds, and comes out the same
 * when it is written and read again.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../msrsave/state.h"

/* Says what is wrong, and ends. */
static void need(bool met, const char *what)
{
	if (met)
		return;
	fprintf(stderr, "DIFFERENT: %s\n", what);
	abort();
}

static void check_values(const struct state *state)
{
	const struct state_value *value, *before = NULL;
	const struct msr_allowlist_entry *entry, *last = NULL;
	size_t i;

	need(!msr_safe_cpus_empty(&state->cpus), "there are CPUs");
	need(state->count <= STATE_MAX_VALUES, "the bound of values");
	for (i = 0; i < state->count; i++) {
		value = &state->values[i];
		entry = msr_safe_allowlist_find(&state->list, value->msr);
		need(entry && entry->wmask, "the register can be written");
		need(!(value->value & ~entry->wmask), "the value is within the mask");
		need(!value->absent || !value->value, "what is absent has no value");
		need(msr_safe_cpus_has(&state->cpus, value->cpu), "the CPU is one of those saved");
		need(!last || entry >= last, "registers are in the order of the list");
		need(!before || entry > last || value->cpu > before->cpu, "CPUs ascend");
		before = value;
		last = entry;
	}
}

static bool same(const struct state *a, const struct state *b)
{
	return strcmp(a->version, b->version) == 0 && strcmp(a->host, b->host) == 0 &&
	       strcmp(a->time, b->time) == 0 && memcmp(&a->cpus, &b->cpus, sizeof(a->cpus)) == 0 &&
	       a->list.count == b->list.count && a->count == b->count &&
	       (!a->list.count || memcmp(a->list.entries, b->list.entries,
					 a->list.count * sizeof(*a->list.entries)) == 0) &&
	       (!a->count || memcmp(a->values, b->values, a->count * sizeof(*a->values)) == 0);
}

static void check_text(const char *text, size_t len)
{
	struct state state, again;
	char *written;

	if (state_parse(&state, text, len)) {
		need(!state.values && !state.list.entries, "what is refused leaves nothing");
		return;
	}
	check_values(&state);
	if (state_format(&state, &written, &len)) {
		need(errno == EFBIG, "what was read can be written");
	} else {
		need(!state_parse(&again, written, len), "what was written can be read");
		need(same(&state, &again), "what was written is what is read");
		state_free(&again);
		free(written);
	}
	state_free(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *text = malloc(size + STATE_CRC_LINE_LEN + 1);

	memcpy(text, bytes, size);
	text[size] = '\0';
	check_text(text, size);
	sprintf(text + size, STATE_CRC_KEY "0x%08" PRIX32 "\n", state_crc32(text, size));
	check_text(text, size + STATE_CRC_LINE_LEN);
	free(text);
	return 0;
}

/*
 * Other texts from a text: lines of it twice, gone, exchanged, with another digit; and
 * a count that is right, without which nothing else would come to matter
 */

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t most);

static size_t line_length(const char *line)
{
	return strcspn(line, "\n") + 1;
}

/* The start of a line, of those that begin with a letter */
static char *some_line(char *text, unsigned int pick)
{
	unsigned int count = 0;
	char *line;

	for (line = text; *line; line += line_length(line))
		count++;
	line = text;
	for (pick %= count; pick > 0; pick--)
		line += line_length(line);
	return line;
}

static void insert(char *at, const char *bytes, size_t len)
{
	memmove(at + len, at, strlen(at) + 1);
	memcpy(at, bytes, len);
}

static void cut(char *at, size_t len)
{
	memmove(at, at + len, strlen(at + len) + 1);
}

static void mutate_line(char *text, unsigned int random)
{
	static const char digits[] = "0123456789ABCDEF";
	char *line = some_line(text, random >> 8), copy[4096];
	size_t len = line_length(line), at = (random >> 4) % len;

	memcpy(copy, line, len);
	switch (random % 5) {
	case 0:
		insert(line, copy, len);
		break;
	case 1:
		cut(line, len);
		break;
	case 2:
		cut(line, len);
		if (*text)
			insert(some_line(text, random >> 16), copy, len);
		break;
	default:
		/* The digits are at the end of a line. */
		at = len - 1 - at % 24 % len;
		if (strchr(digits, line[at]))
			line[at] = digits[(random >> 20) % (random % 5 == 3 ? 10 : 16)];
	}
}

static void count_values(char *text)
{
	char *line, *last = text;
	unsigned int first, end, count = 0;

	for (line = text; *line; line += line_length(line)) {
		last = line;
		switch (sscanf(line, "msr 0x%*8x 0x%*16x %u-%u", &first, &end)) {
		case 1:
			count++;
			break;
		case 2:
			count += end - first + 1;
			break;
		}
	}
	if (strncmp(last, "values ", 7) == 0)
		sprintf(last, "values %u\n", count);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned int random);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned int random)
{
	char text[3 * 4096];
	unsigned int i;

	/* Texts in lines only, and room for a line more each time */
	if (random % 8 == 0 || size == 0 || size > 1024 || bytes[size - 1] != '\n' ||
	    memchr(bytes, '\0', size))
		return LLVMFuzzerMutate(bytes, size, most);
	memcpy(text, bytes, size);
	text[size] = '\0';
	for (i = 0; i <= random / 8 % 3 && *text; i++) {
		random = random * 1103515245 + 12345;
		mutate_line(text, random >> 1);
	}
	count_values(text);
	size = strlen(text) < most ? strlen(text) : most;
	memcpy(bytes, text, size);
	return size;
}
