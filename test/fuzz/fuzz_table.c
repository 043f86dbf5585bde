// SPDX-License-Identifier: GPL-2.0-only
/*
 * Texts that libFuzzer makes up, read by the module's own parser of allowlists and
 * by a slow one written from the README, "The allowlist" and "Errors". Where the
 * two differ this says in what, and aborts.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/types.h>

/* What one write to the device can hold */
#define LONGEST_TEXT (128 * 1024 + 1)
#define MOST_WORDS ((LONGEST_TEXT + 1) / 2)

/*
 * For loops over all entries for each entry: what they do teaches libFuzzer nothing,
 * and the checks of the sanitizers make them thirty times as long.
 */
#define QUADRATIC __attribute__((no_sanitize("coverage", "address", "undefined")))

/*
 * The specification
 */

struct entry {
	u64 addr;
	u64 mask;
	unsigned int line; /* that the address is on */
};

/**
 * struct verdict - what becomes of a text
 * @err:	0, or the negative errno of the write
 * @pass:	the pass that finds the error
 * @line:	the line that is wrong; 0 where no line is
 * @about:	a word that the reason has in it
 * @count:	number of @entries, after a first pass without an error
 * @entries:	in the order given
 */
static struct verdict {
	int err;
	int pass;
	unsigned int line;
	const char *about;
	unsigned int count;
	struct entry entries[(MOST_WORDS + 1) / 2];
} verdict;

static bool is_white(char c)
{
	switch (c) {
	case ' ':
	case '\t':
	case '\n':
	case '\v':
	case '\f':
	case '\r':
	case '\xa0': /* the no-break space of Latin-1, as in the kernel */
		return true;
	}
	return false;
}

static bool is_digit_of(char c, unsigned int base)
{
	static const char digits[] = "0123456789abcdef";

	if (c >= 'A' && c <= 'F')
		c += 'a' - 'A';
	return c && memchr(digits, c, base);
}

static unsigned int digit(char c)
{
	if (c >= 'a')
		return 10 + c - 'a';
	return c >= 'A' ? 10 + c - 'A' : c - '0';
}

/*
 * A word that ends in a NUL, as kstrtoull() takes it with base 0. Digits that are
 * too many for 64 bits are -ERANGE, even if something else follows them.
 */
static int number_of(const char *word, u64 *number)
{
	unsigned __int128 sum = 0;
	unsigned int base = 10;
	unsigned int digits;

	if (word[0] == '+')
		word++;
	if (word[0] == '0') {
		base = 8;
		if ((word[1] == 'x' || word[1] == 'X') && is_digit_of(word[2], 16)) {
			base = 16;
			word += 2;
		}
	}
	for (digits = 0; is_digit_of(word[digits], base); digits++) {
		sum = sum * base + digit(word[digits]);
		if (sum > UINT64_MAX)
			return -ERANGE;
	}
	if (!digits || word[digits])
		return -EINVAL;
	*number = sum;
	return 0;
}

static void condemn(int pass, int err, unsigned int line, const char *about)
{
	verdict.pass = pass;
	verdict.err = err;
	verdict.line = line;
	verdict.about = about;
}

static unsigned int line_of(const char *text, size_t at)
{
	unsigned int line = 1;

	while (at--)
		line += text[at] == '\n';
	return line;
}

/* All comments become spaces. */
static void blank_comments(char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] != '#' || (i > 0 && !is_white(text[i - 1])))
			continue;
		while (i < len && text[i] != '\n')
			text[i++] = ' ';
	}
}

/* Words are left. Every other one, from the first, is an address. */
static void read_words(char *text, size_t len)
{
	unsigned int words = 0;
	unsigned int line = 1;
	struct entry *entry;
	bool is_addr;
	size_t i, end;
	u64 number;
	char after;
	int err;

	for (i = 0; i < len; i = end) {
		end = i + 1;
		if (is_white(text[i])) {
			line += text[i] == '\n';
			continue;
		}
		while (end < len && !is_white(text[end]))
			end++;
		after = text[end];
		text[end] = '\0';
		err = number_of(text + i, &number);
		text[end] = after;

		entry = &verdict.entries[words / 2];
		is_addr = words % 2 == 0;
		if (!err && is_addr && number > UINT32_MAX)
			err = -ERANGE;
		if (err)
			return condemn(1, err, line, is_addr ? "address" : "mask");
		if (is_addr) {
			entry->addr = number;
			entry->line = line;
		} else {
			entry->mask = number;
		}
		words++;
	}
	if (words % 2)
		return condemn(1, -EILSEQ, verdict.entries[words / 2].line, "mask");
	if (!words)
		return condemn(1, -ENOMSG, 0, "entry");
	verdict.count = words / 2;
}

QUADRATIC static void find_twins(void)
{
	unsigned int i, j;

	for (i = 0; i < verdict.count; i++)
		for (j = 0; j < i; j++)
			if (verdict.entries[i].addr == verdict.entries[j].addr)
				return condemn(2, -ENOTUNIQ, verdict.entries[i].line, "twice");
}

static void judge(const char *bytes, size_t len)
{
	static char text[LONGEST_TEXT + 1];
	const char *nul = memchr(bytes, '\0', len);

	verdict.err = 0;
	verdict.pass = 0;
	verdict.count = 0;
	if (nul)
		return condemn(1, -EINVAL, line_of(bytes, nul - bytes), "NUL");
	memcpy(text, bytes, len);
	blank_comments(text, len);
	read_words(text, len);
	find_twins();
}

QUADRATIC static bool is_listed(u32 addr)
{
	unsigned int i;

	for (i = 0; i < verdict.count; i++)
		if (verdict.entries[i].addr == addr)
			return true;
	return false;
}

/*
 * The module, included after the specification, that it cannot help that
 */

#include "msr_table.h"

static bool no_memory;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return no_memory ? NULL : __real_calloc(count, size);
}

static void fail(const char *what, long long module, long long specified)
{
	fprintf(stderr, "DIFFERENT: %s: module %lld (%#llx), specification %lld (%#llx)\n", what,
		module, module, specified, specified);
	abort();
}

static void compare(const char *what, long long module, long long specified)
{
	if (module != specified)
		fail(what, module, specified);
}

/* The error of a pass, or that it has none; @err is what the module says. */
static void compare_error(int pass, const struct msr_text *text, long err)
{
	compare(pass == 1 ? "error of the first pass" : "error of the second pass", err,
		verdict.pass == pass ? verdict.err : 0);
	if (!err)
		return;
	if (verdict.line)
		compare("line of the error", text->line, verdict.line);
	if (!text->why || !strstr(text->why, verdict.about)) {
		fprintf(stderr, "DIFFERENT: reason: module \"%s\", specification \"...%s...\"\n",
			text->why ? text->why : "(none)", verdict.about);
		abort();
	}
}

static void compare_text(const char *when, const char *text, const u8 *bytes, size_t len,
			 char after)
{
	size_t i;

	if (!memcmp(text, bytes, len))
		return compare(when, text[len], after);
	for (i = 0; text[i] == (char)bytes[i]; i++)
		;
	fprintf(stderr, "DIFFERENT: %s: byte %zu is not as it was\n", when, i);
	abort();
}

static void compare_unlisted(const struct msr_table *table, u32 addr)
{
	if (!is_listed(addr) && msr_index_find(&table->index, addr))
		fail("entry found for an address that is not listed", addr, -1);
}

/* As its header promises: look-ups end, and end soon. */
static void check_slots(const struct msr_table *table)
{
	unsigned int used = 0;
	u32 slot;

	for (slot = 0; slot <= table->index.mask; slot++)
		used += table->index.slots[slot] != 0;
	compare("slots in use", used, verdict.count);
	if (2 * used > table->index.mask + 1)
		fail("slots for these entries", table->index.mask + 1, 2 * used);
}

static void compare_table(const struct msr_table *table)
{
	unsigned int step = 1 + verdict.count / 256;
	unsigned int i;

	compare("entries in the table", table->count, verdict.count);
	check_slots(table);
	for (i = 0; i < verdict.count; i++) {
		const struct entry *entry = &verdict.entries[i];

		compare("address", table->entries[i].msr, entry->addr);
		compare("write mask", table->entries[i].wmask, entry->mask);
		if (msr_index_find(&table->index, entry->addr) != &table->entries[i])
			fail("wrong or no entry found for a listed address", entry->addr, i);
	}
	for (i = 0; i < verdict.count; i += step) {
		compare_unlisted(table, verdict.entries[i].addr - 1);
		compare_unlisted(table, verdict.entries[i].addr + 1);
		compare_unlisted(table, ~verdict.entries[i].addr);
	}
	compare_unlisted(table, 0);
	compare_unlisted(table, UINT32_MAX);
}

/* Of all bytes, but mostly of those that would change what the last word is */
static char byte_after(const u8 *bytes, size_t len)
{
	static const char likely[] = { '\0', '0', '7', 'f', 'x', '+', '#', ' ', '\n' };
	unsigned int sum = len;

	while (len--)
		sum = sum * 31 + bytes[len];
	sum ^= sum >> 15;
	return sum & 1 ? likely[sum / 2 % sizeof(likely)] : (char)(sum / 2);
}

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t len)
{
	char after = byte_after(bytes, len);
	/* Only its start and end are the caller's to set. */
	struct msr_text text = { .line = 4711, .entry_line = 4711 };
	struct msr_table *table, *held;
	int count;

	if (len > LONGEST_TEXT)
		return 0;
	judge((const char *)bytes, len);

	text.start = malloc(len + 1);
	text.end = text.start + len;
	memcpy(text.start, bytes, len);
	*text.end = after;

	count = msr_table_check(&text);
	compare_text("text after the first pass", text.start, bytes, len, after);
	compare_error(1, &text, count < 0 ? count : 0);
	if (count < 0)
		goto out;
	compare("entries counted", count, verdict.count);

	no_memory = true;
	table = msr_table_make(&text, count);
	no_memory = false;
	compare("second pass without memory", IS_ERR(table) ? PTR_ERR(table) : 0, -ENOMEM);

	text.line = 4711;
	text.why = NULL;
	table = msr_table_make(&text, count);
	compare_text("text after the second pass", text.start, bytes, len, after);
	compare_error(2, &text, IS_ERR(table) ? PTR_ERR(table) : 0);
	if (IS_ERR(table))
		goto out;

	/* The table needs its text no longer, and lives until its last reference is put. */
	free(text.start);
	text.start = NULL;
	held = msr_table_get(table);
	msr_table_put(table);
	compare_table(held);
	msr_table_put(held);
out:
	free(text.start);
	return 0;
}

/*
 * Lists, for libFuzzer to begin with: few that it makes by itself have a second entry
 */

static u32 random_state;

static u32 below(u32 end)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return (u64)random_state * end >> 32;
}

struct writing {
	u8 *bytes;
	size_t len;
	size_t room;
};

static void append(struct writing *to, const char *string)
{
	while (*string && to->len < to->room)
		to->bytes[to->len++] = *string++;
}

static void append_number(struct writing *to, unsigned long long number)
{
	static const char *const formats[] = {
		"%#llx", "0x%08llX", "%llu", "0%llo", "+%llu", "+0X%llx",
	};
	char word[32];

	snprintf(word, sizeof(word), formats[below(ARRAY_SIZE(formats))], number);
	append(to, word);
}

static void append_odd_word(struct writing *to)
{
	static const char *const words[] = {
		"0xffffffff",
		"4294967295",
		"4294967296",
		"040000000000",
		"0x100000000",
		"0xffffffffffffffff",
		"18446744073709551615",
		"18446744073709551616",
		"01777777777777777777777",
		"02000000000000000000000",
		"0x10000000000000000",
		"99999999999999999999999x",
		"0x",
		"0xg",
		"08",
		"+",
		"++1",
		"-1",
		"1#",
		"x",
		"a",
	};

	append(to, words[below(ARRAY_SIZE(words))]);
}

static void append_gap(struct writing *to, unsigned int oddity)
{
	static const char *const gaps[] = {
		" ",	"\n",	"\t",	     "\r\n",	   "\v",      "\f",  "\xa0",
		"\n\n", " #\n", "\n# 1 2\n", " # a #\r\n", "\xa0#\n", "#\n", " # 1",
	};

	append(to, gaps[below(oddity ? ARRAY_SIZE(gaps) : 2)]);
}

static void append_list(struct writing *to)
{
	u32 end = 1 + below(1 << below(15));
	u32 addr = below(UINT32_MAX) >> below(32);
	u32 stride = below(UINT32_MAX) >> below(32);
	u32 oddity = below(3) ? below(1 << below(10)) : 0;
	u32 i;

	for (i = 0; i < end && to->len < to->room; i++) {
		u32 nth = oddity && !below(oddity) ? below(end) : i;

		append_number(to, (u32)(addr + nth * stride));
		append_gap(to, oddity);
		if (oddity && !below(oddity))
			append_odd_word(to);
		else
			append_number(to, UINT64_MAX >> below(64));
		append_gap(to, oddity);
	}
}

size_t LLVMFuzzerMutate(u8 *bytes, size_t len, size_t room);

size_t LLVMFuzzerCustomMutator(u8 *bytes, size_t len, size_t room, unsigned int seed)
{
	struct writing to = { .bytes = bytes, .room = room };

	random_state = seed | 1;
	switch (below(8)) {
	case 0:
		append_list(&to);
		return to.len;
	case 1:
		to.len = below(len + 1);
		append_gap(&to, 1);
		append_odd_word(&to);
		append_gap(&to, 1);
		return to.len;
	default:
		return LLVMFuzzerMutate(bytes, len, room);
	}
}
