// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random texts of allowlists, good and bad, and random registers.
 */

#include "fuzz_devices.h"

/* Registers that behave in some known way, so that it is worth listing them */
static uint32_t known_msr(struct rng *rng)
{
	static const uint32_t others[] = {
		0xE7,  0xE8,	   0x199,   0x1B0,	0x610,	    0x10,	0x8B,	    0x1A0,
		0x277, 0xC0000080, 0x10000, 0x3FFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0,
	};

	switch (below(rng, 8)) {
	case 0:
		return PKRS;
	case 1:
		return TSC_AUX;
	case 2:
		return pick(rng, others);
	case 3:
		return 0x20000 + below(rng, 4096);
	default:
		return STORE_ADDR(below(rng, NR_STORES));
	}
}

uint32_t random_msr(struct rng *rng, const struct list *list)
{
	if (list->count && !one_in(rng, 3))
		return list->entries[below(rng, list->count)].msr;
	switch (below(rng, 8)) {
	case 0:
		return rnd(rng);
	case 1: /* near one that may be listed */
		return known_msr(rng) + below(rng, 3) - 1;
	default:
		return known_msr(rng);
	}
}

static uint64_t random_mask(struct rng *rng, uint32_t addr)
{
	return one_in(rng, 4) ? 0 : rnd_value(rng) & writable_bits(addr);
}

static size_t add(char *text, const char *more)
{
	size_t len = strlen(more);

	memcpy(text, more, len);
	return len;
}

static size_t add_space(struct rng *rng, char *text)
{
	static const char *const spaces[] = {
		" ",	       "\n",  "\t",	"\r\n",		  "  ",	   "\v",
		"\f",	       " \n", "\n\n\n", " # a comment\n", "\n#\n", "\t\t#0x402 0x1\n",
		" ## # 0x\n ",
	};

	return add(text, one_in(rng, 2) ? " " : pick(rng, spaces));
}

static size_t add_number(struct rng *rng, char *text, uint64_t value)
{
	static const char *const formats[] = {
		"%#" PRIx64,	 "0X%" PRIX64,	 "%" PRIu64,
		"0%" PRIo64,	 "+%" PRIu64,	 "+0x%" PRIx64,
		"0x%016" PRIX64, "0x%08" PRIx64, "0x00000000000000000000%" PRIx64,
	};
	const char *format = one_in(rng, 2) ? formats[0] : pick(rng, formats);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	return sprintf(text, format, value);
#pragma GCC diagnostic pop
}

#define LONGEST_ENTRY 160

static bool is_new(const uint32_t *addrs, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (addrs[i] == addrs[count])
			return false;
	return true;
}

/* A list with nothing wrong */
static size_t good_list(struct rng *rng, char *text, size_t max)
{
	unsigned int count = 1 + below(rng, one_in(rng, 4) ? 30 : 6);
	unsigned int first = below(rng, 1 << 20);
	uint32_t addrs[40];
	unsigned int i;
	size_t len = 0;

	if (one_in(rng, 40))
		count = 100 + below(rng, one_in(rng, 8) ? 30000 : 1000);
	for (i = 0; i < count && len + LONGEST_ENTRY < max; i++) {
		uint32_t addr = 0x100000 + first + i;

		while (count < ARRAY_SIZE(addrs)) {
			addr = known_msr(rng);
			addrs[i] = addr;
			if (is_new(addrs, i))
				break;
		}

		if (one_in(rng, 4))
			len += add_space(rng, text + len);
		len += add_number(rng, text + len, addr);
		len += add_space(rng, text + len);
		len += add_number(rng, text + len, random_mask(rng, addr));
		len += add_space(rng, text + len);
	}
	switch (below(rng, 6)) {
	case 0:
		len--;
		break;
	case 1:
		len += add(text + len, "# the end");
		break;
	}
	return len;
}

static size_t bad_words(struct rng *rng, char *text, size_t len)
{
	static const char *const words[] = {
		"x",
		"-1",
		"0x",
		"0x100000000",
		"18446744073709551616",
		"0x1ffffffffffffffff",
		"08",
		"0xg",
		"1#",
		"+",
		"++1",
		"0x10z",
		"99999999999999999999z",
		"0x402",
		"1,2",
		"0xffffffff",
		"+0x402",
		"0+1",
		"0x+1",
		"1.",
		"\"",
		"02000000000000000000000",
	};
	char word[40];
	size_t at = below(rng, len + 1);
	size_t word_len = sprintf(word, " %s ", pick(rng, words));

	memmove(text + at + word_len, text + at, len - at);
	memcpy(text + at, word, word_len);
	return len + word_len;
}

static char random_char(struct rng *rng)
{
	static const char chars[] = " \n\t#0123456789abcdefxX+-0 0 1 \r";

	return one_in(rng, 200) ? '\0' : chars[below(rng, sizeof(chars) - 1)];
}

/* Makes something of a list that may be wrong, with some bytes more than there are. */
static size_t spoil(struct rng *rng, char *text, size_t len)
{
	switch (below(rng, 6)) {
	case 0:
		return bad_words(rng, text, len);
	case 1:
		return below(rng, len);
	case 2:
		text[below(rng, len)] = '\0';
		return len;
	case 3: /* the same addresses again */
		if (len > 10000)
			return len;
		text[len] = '\n';
		memcpy(text + len + 1, text, len);
		return 2 * len + 1;
	case 4:
		len += add(text + len, " ");
		return len + add_number(rng, text + len, known_msr(rng));
	default:
		text[below(rng, len)] = random_char(rng);
		return len;
	}
}

static size_t random_garbage(struct rng *rng, char *text)
{
	size_t len = below(rng, one_in(rng, 4) ? 3 : 24);
	size_t i;

	for (i = 0; i < len; i++)
		text[i] = random_char(rng);
	return len;
}

/* To the longest text that is taken, or one byte more */
static size_t stretch(struct rng *rng, char *text, size_t len, size_t max)
{
	size_t new_len = MAX_LIST_TEXT + below(rng, 3) - 1;

	if (new_len > max || new_len < len)
		return len;
	memset(text + len, one_in(rng, 2) ? ' ' : '\n', new_len - len);
	return new_len;
}

size_t random_text(struct rng *rng, char *text, size_t max)
{
	size_t len;

	if (one_in(rng, 6))
		return random_garbage(rng, text);
	len = good_list(rng, text, max - 64);
	if (!one_in(rng, 4))
		len = spoil(rng, text, len);
	if (one_in(rng, 60))
		len = stretch(rng, text, len, max);
	return len;
}
