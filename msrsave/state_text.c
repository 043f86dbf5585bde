// SPDX-License-Identifier: GPL-2.0-only
/*
 * The text of a saved state: written, and read with nothing taken on trust.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/allowlist.h"
#include "../lib/array.h"
#include "state.h"

#define MAGIC STATE_MAGIC
#define FORMAT "1"

/* Polynomial 0x04C11DB7, bits reversed */
uint32_t state_crc32(const char *bytes, size_t len)
{
	uint32_t crc = ~0u;
	unsigned int bit;

	for (; len > 0; len--) {
		crc ^= (unsigned char)*bytes++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
	}
	return ~crc;
}

void state_free(struct state *state)
{
	msr_safe_allowlist_free(&state->list);
	free(state->values);
	*state = (struct state){ 0 };
}

/* How many of the values at @first belong on one line with it */
static size_t run_length(const struct state *state, size_t first)
{
	const struct state_value *a = &state->values[first], *b;
	size_t len;

	for (len = 1; first + len < state->count; len++) {
		b = a + len;
		if (b->msr != a->msr || b->absent != a->absent || b->value != a->value ||
		    b->cpu != a->cpu + len)
			break;
	}
	return len;
}

static void write_values(FILE *stream, const struct state *state)
{
	const struct state_value *value;
	size_t i, len, present = 0;

	for (i = 0; i < state->count; i += len) {
		value = &state->values[i];
		len = run_length(state, i);
		if (value->absent)
			fprintf(stream, "absent 0x%08" PRIX32, value->msr);
		else
			fprintf(stream, "msr 0x%08" PRIX32 " 0x%016" PRIX64, value->msr,
				value->value);
		fprintf(stream, len > 1 ? " %u-%zu\n" : " %u\n", value->cpu, value->cpu + len - 1);
		present += value->absent ? 0 : len;
	}
	fprintf(stream, "values %zu\n", present);
}

static void write_state(FILE *stream, const struct state *state)
{
	size_t i;

	fprintf(stream,
		MAGIC FORMAT "\n"
			     "# Registers as they were; to restore them: msrsave --restore FILE\n"
			     "version %s\nhost %s\ntime %s\ncpus ",
		state->version, state->host, state->time);
	msr_safe_cpus_print(stream, &state->cpus);
	fprintf(stream, "\n\n# The allowlist in force: address, write mask\n");
	for (i = 0; i < state->list.count; i++)
		fprintf(stream, "list 0x%08" PRIX32 " 0x%016llX\n", state->list.entries[i].msr,
			state->list.entries[i].wmask);
	fprintf(stream, "\n# What the writable bits held: address, value, CPUs\n");
	write_values(stream, state);
}

int state_format(const struct state *state, char **text, size_t *len)
{
	FILE *stream = open_memstream(text, len);
	int failed;

	if (!stream)
		return -1;
	write_state(stream, state);
	failed = fflush(stream);
	if (!failed)
		fprintf(stream, STATE_CRC_KEY "0x%08" PRIX32 "\n", state_crc32(*text, *len));
	if (fclose(stream) || failed || *len > STATE_MAX_BYTES) {
		failed = *len > STATE_MAX_BYTES ? EFBIG : ENOMEM;
		free(*text);
		errno = failed;
		return -1;
	}
	return 0;
}

/* Where in a text the reader is, and what is wrong there */
struct reader {
	const char *at, *end;
	unsigned int line;
	const char *wrong;
};

/* Moves past what says nothing to the next line that does. */
static void next_line(struct reader *reader)
{
	const char *line_end;

	while (reader->at < reader->end && (*reader->at == '#' || *reader->at == '\n')) {
		line_end = memchr(reader->at, '\n', reader->end - reader->at);
		reader->at = line_end ? line_end + 1 : reader->end;
		reader->line++;
	}
}

static bool take(struct reader *reader, const char *literal)
{
	size_t len = strlen(literal);

	if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, literal, len) != 0)
		return false;
	reader->at += len;
	return true;
}

static bool end_line(struct reader *reader)
{
	if (!take(reader, "\n"))
		return false;
	reader->line++;
	next_line(reader);
	return true;
}

static bool expect(struct reader *reader, bool met, const char *wrong)
{
	if (!met && !reader->wrong)
		reader->wrong = wrong;
	return met;
}

/* The rest of a line, printable, which has to fit. */
static bool take_rest(struct reader *reader, char *text, size_t size)
{
	size_t len = 0;

	for (; reader->at < reader->end && *reader->at >= ' ' && *reader->at <= '~'; reader->at++) {
		if (len + 1 == size)
			return false;
		text[len++] = *reader->at;
	}
	text[len] = '\0';
	return len > 0 && end_line(reader);
}

static bool take_number(struct reader *reader, uint64_t most, uint64_t *number)
{
	const char *first = reader->at;

	for (*number = 0; *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
		*number = *number * 10 + (*reader->at - '0');
		if (*number > most)
			return false;
	}
	return reader->at > first;
}

static bool read_head(struct reader *reader, struct state *state)
{
	return expect(reader,
		      take(reader, "version ") &&
			      take_rest(reader, state->version, sizeof(state->version)),
		      "this should be the version") &&
	       expect(reader,
		      take(reader, "host ") && take_rest(reader, state->host, sizeof(state->host)),
		      "this should be the host's name") &&
	       expect(reader,
		      take(reader, "time ") && take_rest(reader, state->time, sizeof(state->time)),
		      "this should be the time") &&
	       expect(reader,
		      take(reader, "cpus ") && !msr_safe_cpus_scan(&state->cpus, &reader->at) &&
			      end_line(reader),
		      "this should be the CPUs");
}

static bool read_list(struct reader *reader, struct state *state)
{
	struct msr_allowlist_entry entry;

	while (take(reader, "list ")) {
		if (!expect(reader, msr_safe_parse_entry(&reader->at, &entry) && end_line(reader),
			    "this should be an address and a write mask"))
			return false;
		/* More than the module takes, and few enough to compare each with all */
		if (!expect(reader, state->list.count < STATE_MAX_LIST, "the list is too long"))
			return false;
		if (!expect(reader, !msr_safe_allowlist_find(&state->list, entry.msr),
			    "the register is listed twice"))
			return false;
		if (!expect(reader,
			    msr_safe_allowlist_add(&state->list, entry.msr, entry.wmask) == 0,
			    "there is no memory for the list"))
			return false;
	}
	return true;
}

/* The values of a line, of CPUs @first to @last */
static bool add_values(struct state *state, struct state_value value, uint64_t last)
{
	struct state_value *values;
	size_t i;

	for (i = value.cpu; i <= last; i++) {
		values = array_with_room(state->values, state->count, sizeof(*values));
		if (!values)
			return false;
		state->values = values;
		value.cpu = i;
		values[state->count++] = value;
	}
	return true;
}

/* Where the values read so far end: a register of the list, a CPU */
struct position {
	size_t entry;
	uint64_t cpu; /* the next it may be */
};

/* Finds the register of a line in the rest of the list. */
static bool advance(struct position *position, const struct msr_safe_allowlist *list, uint32_t msr)
{
	while (position->entry < list->count && list->entries[position->entry].msr != msr) {
		position->entry++;
		position->cpu = 0;
	}
	return position->entry < list->count;
}

static bool all_in(const struct msr_safe_cpus *cpus, unsigned int first, unsigned int last)
{
	for (; first <= last; first++)
		if (!msr_safe_cpus_has(cpus, first))
			return false;
	return true;
}

static bool read_value(struct reader *reader, struct state *state, bool absent,
		       struct position *position)
{
	struct state_value read = { .absent = absent };
	uint64_t msr, first, last, mask;

	if (!expect(reader,
		    msr_safe_parse_hex(&reader->at, 8, &msr) &&
			    (absent || (take(reader, " ") &&
					msr_safe_parse_hex(&reader->at, 16, &read.value))) &&
			    take(reader, " ") && take_number(reader, MSR_SAFE_CPUS_MAX - 1, &first),
		    "this should be an address, a value and CPUs"))
		return false;
	last = first;
	if (take(reader, "-") &&
	    !expect(reader, take_number(reader, MSR_SAFE_CPUS_MAX - 1, &last) && last > first,
		    "this is not a range of CPUs"))
		return false;
	if (!expect(reader, *reader->at == '\n', "there is more on the line than should be"))
		return false;

	if (!expect(reader, advance(position, &state->list, msr),
		    "the register is not in the list, or not in its order"))
		return false;
	mask = state->list.entries[position->entry].wmask;
	read.msr = msr;
	read.cpu = first;
	if (!expect(reader, mask != 0 && (read.value & ~mask) == 0,
		    "bits have a value that could not be written") ||
	    !expect(reader, first >= position->cpu, "a CPU has the register twice") ||
	    !expect(reader, all_in(&state->cpus, first, last), "a CPU is not one of those saved") ||
	    !expect(reader, state->count + (last - first + 1) <= STATE_MAX_VALUES,
		    "there are too many values") ||
	    !expect(reader, add_values(state, read, last), "there is no memory for the values"))
		return false;
	position->cpu = last + 1;
	return end_line(reader);
}

static bool read_values(struct reader *reader, struct state *state)
{
	struct position position = { 0 };
	uint64_t stated, present = 0;
	size_t i;

	for (;;) {
		if (take(reader, "msr ")) {
			if (!read_value(reader, state, false, &position))
				return false;
		} else if (take(reader, "absent ")) {
			if (!read_value(reader, state, true, &position))
				return false;
		} else {
			break;
		}
	}
	for (i = 0; i < state->count; i++)
		present += !state->values[i].absent;
	return expect(reader,
		      take(reader, "values ") && take_number(reader, STATE_MAX_VALUES, &stated) &&
			      *reader->at == '\n',
		      "this should be a register's value or the number of values") &&
	       expect(reader, stated == present, "there are not as many values as it says") &&
	       end_line(reader);
}

/* Whether the text is a whole file of ours, as it was written. */
static const char *check_frame(const char *text, size_t len)
{
	const char *crc_line, *p;
	uint64_t crc;

	if (strncmp(text, MAGIC, strlen(MAGIC)) != 0)
		return "it is not a file of msrsave's";
	if (strncmp(text, MAGIC FORMAT "\n", strlen(MAGIC FORMAT "\n")) != 0)
		return "it is of another format than " FORMAT ", which this msrsave knows";
	if (len < strlen(MAGIC FORMAT "\n") + STATE_CRC_LINE_LEN)
		return "it is cut short";
	crc_line = text + len - STATE_CRC_LINE_LEN;
	p = crc_line + strlen(STATE_CRC_KEY);
	if (crc_line[-1] != '\n' || strncmp(crc_line, STATE_CRC_KEY, strlen(STATE_CRC_KEY)) != 0 ||
	    !msr_safe_parse_hex(&p, 8, &crc) || *p != '\n')
		return "it is cut short";
	if (crc != state_crc32(text, crc_line - text))
		return "it has been altered: its checksum is not right";
	return NULL;
}

const char *state_parse(struct state *state, const char *text, size_t len)
{
	struct reader reader = { .at = text, .end = text + len, .line = 1 };
	static char reason[128];
	const char *wrong = check_frame(text, len);

	*state = (struct state){ 0 };
	if (wrong)
		return wrong;
	reader.end -= STATE_CRC_LINE_LEN;
	take(&reader, MAGIC FORMAT);
	if (end_line(&reader) && read_head(&reader, state) && read_list(&reader, state) &&
	    read_values(&reader, state) &&
	    expect(&reader, reader.at == reader.end, "there is more than should be"))
		return NULL;
	state_free(state);
	snprintf(reason, sizeof(reason), "line %u: %s", reader.line, reader.wrong);
	return reason;
}
