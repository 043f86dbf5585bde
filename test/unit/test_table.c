// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the text of an allowlist to a table, and look-ups in it; the module's own
 * source, compiled in user space.
 */

#include <time.h>

#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/limits.h>

#include "../../msr_table.h"
#include "unit.h"

#define LONGEST_TEXT (128 * 1024 + 1)

/* The text last checked, in memory of just its size and the byte after it. */
static struct msr_text text;
static char *given;

static bool no_memory;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return no_memory ? NULL : __real_calloc(count, size);
}

static void forget_text(void)
{
	free(text.start);
	free(given);
	memset(&text, 0, sizeof(text));
	given = NULL;
}

static void assert_text_restored(void)
{
	assert_memory_equal(text.start, given, text.end - text.start + 1);
}

/* First pass. The byte after the text is a digit, that it may not be taken for text. */
static int check_bytes(const char *bytes, size_t len)
{
	int result;

	forget_text();
	given = malloc(len + 1);
	memcpy(given, bytes, len);
	given[len] = '7';
	text.start = malloc(len + 1);
	text.end = text.start + len;
	memcpy(text.start, given, len + 1);

	result = msr_table_check(&text);
	assert_text_restored();
	return result;
}

static int check(const char *string)
{
	return check_bytes(string, strlen(string));
}

static unsigned int slots_used(const struct msr_table *table)
{
	unsigned int used = 0;
	u32 slot;

	for (slot = 0; slot <= table->index.mask; slot++)
		used += table->index.slots[slot] != 0;
	return used;
}

/* Second pass, after a first that succeeded. */
static struct msr_table *make(unsigned int count)
{
	struct msr_table *table = msr_table_make(&text, count);

	assert_text_restored();
	if (IS_ERR(table))
		return table;
	assert_int_equal(table->count, count);
	assert_int_equal(slots_used(table), count);
	assert_true(2 * count <= table->index.mask + 1);
	return table;
}

static struct msr_table *table_of(const char *string)
{
	int count = check(string);
	struct msr_table *table;

	assert_true(count > 0);
	table = make(count);
	assert_false(IS_ERR(table));
	return table;
}

static void assert_refused_bytes(const char *bytes, size_t len, int err, unsigned int line)
{
	assert_int_equal(check_bytes(bytes, len), err);
	assert_int_equal(text.line, line);
	assert_non_null(text.why);
}

static void assert_refused(const char *string, int err, unsigned int line)
{
	assert_refused_bytes(string, strlen(string), err, line);
}

static void assert_twice(const char *string, unsigned int line)
{
	int count = check(string);
	struct msr_table *table;

	assert_true(count > 0);
	table = make(count);
	assert_int_equal(PTR_ERR(table), -ENOTUNIQ);
	assert_int_equal(text.line, line);
	assert_non_null(text.why);
}

static void assert_lists(const char *string, const struct msr_allowlist_entry *entries,
			 unsigned int count)
{
	struct msr_table *table = table_of(string);
	unsigned int i;

	assert_int_equal(table->count, count);
	for (i = 0; i < count; i++) {
		assert_int_equal(table->entries[i].msr, entries[i].msr);
		assert_int_equal(table->entries[i].wmask, entries[i].wmask);
	}
	msr_table_put(table);
}

/* The text is a list of these { address, mask }, in this order. */
#define assert_list(string, ...)                                               \
	do {                                                                   \
		const struct msr_allowlist_entry entries_[] = { __VA_ARGS__ }; \
                                                                               \
		assert_lists(string, entries_, ARRAY_SIZE(entries_));          \
	} while (0)

static int teardown(void **state)
{
	(void)state;
	forget_text();
	return 0;
}

/* Numbers */

TEST(a_number_is_decimal, NULL, teardown)
{
	assert_list("16 255", { 16, 255 });
}

TEST(a_number_after_0x_is_hexadecimal_in_either_case, NULL, teardown)
{
	assert_list("0x1aF 0XFfabcdeABCDE0123", { 0x1af, 0xffabcdeabcde0123 });
}

TEST(a_number_after_0_is_octal, NULL, teardown)
{
	assert_list("017 0777", { 15, 511 });
}

TEST(zero_is_a_number, NULL, teardown)
{
	assert_list("0 0", { 0, 0 });
	assert_list("0x0 00", { 0, 0 });
}

TEST(leading_zeroes_change_nothing, NULL, teardown)
{
	assert_list("0x00000000000000000000000000000010 0x0000000000000000000000000000000000000001",
		    { 0x10, 1 });
}

TEST(a_plus_sign_is_part_of_a_number, NULL, teardown)
{
	assert_list("+16 +0x10", { 16, 16 });
}

TEST(a_minus_sign_is_not, NULL, teardown)
{
	assert_refused("-16 0", -EINVAL, 1);
	assert_refused("16 -1", -EINVAL, 1);
	assert_refused("16 -0", -EINVAL, 1);
}

TEST(what_is_not_a_number_is_einval, NULL, teardown)
{
	static const char *const words[] = {
		"x",	   "0x", "0xg", "08",	"0b1",	"12a",	"1_000", "1,000",
		"1.0",	   "+",	 "++1", "+-1",	"0x+1", "1+",	"0x1L",	 "10h",
		"\"MSR\"", "1:", "1;",	"\xb2", "\x1f", "\x7f", "1/2",
	};
	char line[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		snprintf(line, sizeof(line), "0x10 0\n%s 0\n", words[i]);
		assert_refused(line, -EINVAL, 2);
		snprintf(line, sizeof(line), "0x10 0\n0x11 %s\n", words[i]);
		assert_refused(line, -EINVAL, 2);
	}
}

TEST(the_largest_address_and_mask_are_taken, NULL, teardown)
{
	assert_list("0xffffffff 0xffffffffffffffff", { U32_MAX, U64_MAX });
	assert_list("4294967295 18446744073709551615", { U32_MAX, U64_MAX });
	assert_list("037777777777 01777777777777777777777", { U32_MAX, U64_MAX });
}

TEST(an_address_over_32_bits_is_erange, NULL, teardown)
{
	assert_refused("0x10 0\n0x100000000 0", -ERANGE, 2);
	assert_refused("0x10 0\n4294967296 0", -ERANGE, 2);
	assert_refused("0x10 0\n040000000000 0", -ERANGE, 2);
	assert_refused("0x10 0\n0xffffffffffffffff 0", -ERANGE, 2);
}

TEST(a_number_over_64_bits_is_erange, NULL, teardown)
{
	assert_refused("0x10000000000000000 0", -ERANGE, 1);
	assert_refused("0x10 0x10000000000000000", -ERANGE, 1);
	assert_refused("0x10 18446744073709551616", -ERANGE, 1);
	assert_refused("0x10 02000000000000000000000", -ERANGE, 1);
	assert_refused("0x10 99999999999999999999999999999999999999999999", -ERANGE, 1);
}

/* White space */

TEST(tokens_are_split_by_any_white_space, NULL, teardown)
{
	assert_list("1\t2", { 1, 2 });
	assert_list("1\n2", { 1, 2 });
	assert_list("1\r2", { 1, 2 });
	assert_list("1\v2", { 1, 2 });
	assert_list("1\f2", { 1, 2 });
	assert_list("1\xa0"
		    "2",
		    { 1, 2 });
	assert_list("\n \t 1 \t\n\n \r\n2\v\f 3 4 \t\n ", { 1, 2 }, { 3, 4 });
}

TEST(lines_may_end_in_carriage_return_and_newline, NULL, teardown)
{
	assert_list("# MSR Write mask\r\n0x10 0x0\r\n0x11 0x1 # x\r\n", { 0x10, 0 }, { 0x11, 1 });
}

TEST(the_last_line_needs_no_newline, NULL, teardown)
{
	assert_list("0x10 0x0\n0x11 0x1", { 0x10, 0 }, { 0x11, 1 });
}

TEST(entries_need_no_lines_of_their_own, NULL, teardown)
{
	assert_list("1 2 3 4 5 6", { 1, 2 }, { 3, 4 }, { 5, 6 });
}

/* Comments */

TEST(a_comment_may_stand_wherever_a_token_may_start, NULL, teardown)
{
	assert_list("# first\n1 2 # after\n  # indented\n\t#\n3 4\n#last", { 1, 2 }, { 3, 4 });
	assert_list("#\n##\n#1 2\n3 4", { 3, 4 });
}

TEST(a_comment_may_stand_between_address_and_mask, NULL, teardown)
{
	assert_list("1 # address\n# mask\n2\n3\n#\n4", { 1, 2 }, { 3, 4 });
}

TEST(a_comment_ends_with_its_line_only, NULL, teardown)
{
	assert_list("1 2 # a \r 5 6 \v 7 8 # 9 10\n3 4", { 1, 2 }, { 3, 4 });
}

TEST(a_comment_holds_any_bytes, NULL, teardown)
{
	assert_list("1 2 # \"MSR_\xc3\xa9\" -1 0xgg 99999999999999999999 \x01\xff\n3 4", { 1, 2 },
		    { 3, 4 });
}

TEST(a_hash_glued_to_a_token_is_einval, NULL, teardown)
{
	assert_refused("1# 2", -EINVAL, 1);
	assert_refused("1 2#", -EINVAL, 1);
	assert_refused("1 2\n3 4#comment\n", -EINVAL, 2);
}

/* What is no list */

TEST(an_address_without_a_mask_is_eilseq, NULL, teardown)
{
	assert_refused("0x10", -EILSEQ, 1);
	assert_refused("0x10 0x0\n0x11", -EILSEQ, 2);
	assert_refused("0x10 0x0\n0x11\n\n# the end\n", -EILSEQ, 2);
	assert_refused("0x10 0x0 0x11 # 0x12", -EILSEQ, 1);
}

TEST(text_without_an_entry_is_enomsg, NULL, teardown)
{
	assert_int_equal(check(""), -ENOMSG);
	assert_int_equal(check(" \t\n"), -ENOMSG);
	assert_int_equal(check("# a comment"), -ENOMSG);
	assert_int_equal(check("# a comment\n\n# 0x10 0x0\n"), -ENOMSG);
	assert_non_null(text.why);
}

TEST(a_nul_byte_is_einval_wherever_it_stands, NULL, teardown)
{
	static const struct {
		const char *bytes;
		size_t len;
		unsigned int line;
	} texts[] = {
		{ "\0", 1, 1 },
		{ "1 2\n\0", 5, 2 },
		{ "1 2\0", 4, 1 },
		{ "1\0002", 3, 1 },
		{ "\0001 2", 4, 1 },
		{ "1 2 # a\0b\n", 10, 1 },
		{ "1 2\n3 4 # c\n# \0\n5 6\n", 21, 3 },
		{ "1 2\n3 4\n\n5 6\0007\n", 15, 4 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		assert_refused_bytes(texts[i].bytes, texts[i].len, -EINVAL, texts[i].line);
}

TEST(an_address_listed_twice_is_enotuniq, NULL, teardown)
{
	assert_twice("0x10 0\n0x11 0\n0x10 0\n", 3);
	assert_twice("0x10 0\n0x10 1", 2);
	assert_twice("0 0 0 0", 1);
}

TEST(the_line_of_a_duplicate_is_that_of_its_address, NULL, teardown)
{
	assert_twice("0x10 0\n0x10\n\n# mask\n0\n", 2);
}

TEST(an_address_is_the_same_in_every_base, NULL, teardown)
{
	assert_twice("0x10 0\n\n# decimal\n16 0\n1 0\n", 4);
	assert_twice("16 0\n020 0", 2);
	assert_twice("0x0010 0\n+0X10 0", 2);
}

TEST(a_mask_may_be_listed_twice, NULL, teardown)
{
	assert_list("1 7\n2 7\n7 1\n", { 1, 7 }, { 2, 7 }, { 7, 1 });
}

TEST(no_memory_is_enomem, NULL, teardown)
{
	struct msr_table *table;

	assert_int_equal(check("1 2\n3 4\n"), 2);
	no_memory = true;
	table = make(2);
	no_memory = false;
	assert_int_equal(PTR_ERR(table), -ENOMEM);
	assert_non_null(text.why);

	table = make(2);
	assert_false(IS_ERR(table));
	msr_table_put(table);
}

TEST(the_line_of_an_error_is_the_line_it_is_on, NULL, teardown)
{
	assert_refused("x", -EINVAL, 1);
	assert_refused("\n\n\nx", -EINVAL, 4);
	assert_refused("# 1\n# 2\n1 2 # 3\n\n3 # 5\n# 6\nx", -EINVAL, 7);
	assert_refused("1 2\r\n3 4\r\n0x100000000 0\r\n5 x\r\n", -ERANGE, 3);
	assert_refused("1\n2\n3\n18446744073709551616\nx", -ERANGE, 4);
}

TEST(the_reason_of_an_error_tells_address_from_mask, NULL, teardown)
{
	static const struct {
		const char *address;
		const char *mask;
	} wrong[] = {
		{ "x 0", "0 x" },
		{ "0x10000000000000000 0", "0 0x10000000000000000" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_true(check(wrong[i].address) < 0);
		assert_non_null(strstr(text.why, "address"));
		assert_true(check(wrong[i].mask) < 0);
		assert_non_null(strstr(text.why, "mask"));
	}
}

/* Tables */

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* The mask that a list made by table_from() gives an address */
static u64 mask_of(u32 addr)
{
	return (addr + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct msr_table *table_from(const u32 *addrs, unsigned int count)
{
	char *string = malloc(count * 32 + 1);
	struct msr_table *table;
	size_t len = 0;
	unsigned int i;

	for (i = 0; i < count; i++)
		len += sprintf(string + len, "%#x %#" PRIx64 "\n", addrs[i],
			       (uint64_t)mask_of(addrs[i]));
	table = table_of(string);
	free(string);
	assert_int_equal(table->count, count);
	return table;
}

static void assert_found(const struct msr_table *table, u32 addr)
{
	const struct msr_allowlist_entry *entry = msr_index_find(&table->index, addr);

	assert_non_null(entry);
	assert_int_equal(entry->msr, addr);
	assert_int_equal(entry->wmask, mask_of(addr));
}

TEST(entries_keep_the_order_they_are_given_in, NULL, teardown)
{
	u32 addrs[1000];
	struct msr_table *table;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(addrs); i++)
		addrs[i] = (i * 7919 + 13) % 100003;
	table = table_from(addrs, ARRAY_SIZE(addrs));
	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		assert_int_equal(table->entries[i].msr, addrs[i]);
		assert_int_equal(table->entries[i].wmask, mask_of(addrs[i]));
	}
	msr_table_put(table);
}

TEST(a_list_is_within_another_or_says_where_it_is_not, NULL, teardown)
{
	static const struct {
		const char *list;
		int beyond; /* -1: within */
	} cases[] = {
		{ "1 0xff 2 0 3 7", -1 }, { "3 7", -1 },
		{ "2 0 1 0xf0", -1 },	  { "1 0x100", 0 },
		{ "2 0 3 8 1 0x100", 1 }, { "1 0 2 0 3 0 4 0", 3 },
	};
	struct msr_table *bound = table_of("1 0xff 2 0 3 7");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct msr_table *table = table_of(cases[i].list);
		unsigned int beyond = 99;

		assert_int_equal(msr_table_within(table, bound, &beyond), cases[i].beyond < 0);
		assert_int_equal(beyond, cases[i].beyond < 0 ? 99 : cases[i].beyond);
		msr_table_put(table);
	}
	msr_table_put(bound);
}

TEST(a_list_narrowed_by_another_has_what_both_allow, NULL, teardown)
{
	struct msr_table *bound = table_of("1 0xff 2 0 3 7");
	struct msr_table *table = table_of("5 1 3 0xe 1 0 2 0xf"), *narrow;

	narrow = msr_table_narrow(table, bound);
	assert_int_equal(narrow->count, 3);
	assert_int_equal(narrow->entries[0].msr, 3);
	assert_int_equal(narrow->entries[0].wmask, 6);
	assert_int_equal(narrow->entries[1].msr, 1);
	assert_int_equal(narrow->entries[1].wmask, 0);
	assert_int_equal(narrow->entries[2].msr, 2);
	assert_int_equal(narrow->entries[2].wmask, 0);
	assert_ptr_equal(msr_index_find(&narrow->index, 1), &narrow->entries[1]);
	assert_null(msr_index_find(&narrow->index, 5));
	/* A list within the bound is the same table. */
	assert_ptr_equal(msr_table_narrow(narrow, bound), narrow);
	msr_table_put(narrow);
	msr_table_put(narrow);
	msr_table_put(table);
	msr_table_put(bound);
}

TEST(nothing_is_found_in_the_empty_table, NULL, teardown)
{
	struct msr_table *nothing = msr_table_make_empty();
	unsigned int i;

	assert_int_equal(nothing->count, 0);
	assert_null(msr_index_find(&nothing->index, 0));
	assert_null(msr_index_find(&nothing->index, U32_MAX));
	random_state = 1;
	for (i = 0; i < 1000; i++)
		assert_null(msr_index_find(&nothing->index, next_random()));
	msr_table_put(nothing);
}

/* Every other one of these addresses is listed. */
static void look_all_up(u32 first, u32 stride, unsigned int count)
{
	u32 *addrs = malloc(count * sizeof(*addrs));
	struct msr_table *table;
	unsigned int i;

	for (i = 0; i < count; i++)
		addrs[i] = first + 2 * i * stride;
	table = table_from(addrs, count);
	for (i = 0; i < count; i++) {
		assert_found(table, addrs[i]);
		assert_null(msr_index_find(&table->index, addrs[i] + stride));
	}
	assert_null(msr_index_find(&table->index, first - stride));
	msr_table_put(table);
	free(addrs);
}

TEST(what_is_listed_is_found_and_nothing_else, NULL, teardown)
{
	unsigned int count;

	for (count = 1; count <= 4000; count += count < 130 ? 1 : 43) {
		look_all_up(0, 1, count);
		look_all_up(0xc0000080, 16, count);
		look_all_up(U32_MAX - count, 1, count);
	}
	look_all_up(0x400, 1, 4000);
}

TEST(the_lowest_and_highest_address_can_be_listed, NULL, teardown)
{
	const u32 addrs[] = { U32_MAX, 0, 0x80000000, 0x7fffffff };
	struct msr_table *table = table_from(addrs, ARRAY_SIZE(addrs));
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(addrs); i++)
		assert_found(table, addrs[i]);
	assert_null(msr_index_find(&table->index, 1));
	assert_null(msr_index_find(&table->index, U32_MAX - 1));
	msr_table_put(table);
}

/* Slots looked at to find an address, or that it is absent */
static unsigned int probes(const struct msr_index *index, u32 addr)
{
	u32 slot = hash_32(addr, index->bits);
	unsigned int count = 1;

	while (index->slots[slot] && index->entries[index->slots[slot] - 1].msr != addr) {
		slot = (slot + 1) & index->mask;
		count++;
	}
	return count;
}

/* Few slots are looked at, for what is listed and for its unlisted neighbours. */
static void assert_short_probes(const u32 *addrs, unsigned int count)
{
	struct msr_table *table = table_from(addrs, count);
	unsigned int looked_at = 0;
	unsigned int longest = 0;
	unsigned int i;

	for (i = 0; i < count; i++) {
		unsigned int found = probes(&table->index, addrs[i]);
		unsigned int absent = probes(&table->index, addrs[i] ^ 0x40000000);

		looked_at += found;
		longest = found > longest ? found : longest;
		longest = absent > longest ? absent : longest;
	}
	assert_true(longest <= 32);
	assert_true(looked_at <= 4 * count);
	msr_table_put(table);
}

TEST(lists_as_they_are_written_need_few_probes, NULL, teardown)
{
	static const u32 strides[] = { 1, 2, 3, 4, 5, 8, 10, 16, 32, 64, 100, 256, 1000, 4096 };
	static const unsigned int counts[] = { 1, 10, 64, 100, 1000, 1024, 2048, 4000 };
	u32 addrs[4000];
	unsigned int i, j, k;

	for (i = 0; i < ARRAY_SIZE(strides); i++) {
		for (j = 0; j < ARRAY_SIZE(counts); j++) {
			for (k = 0; k < counts[j]; k++)
				addrs[k] = 0x10 + k * strides[i];
			assert_short_probes(addrs, counts[j]);
		}
	}
}

/* Banks of registers as processors have them, 434 in all */
TEST(the_registers_of_a_processor_need_few_probes, NULL, teardown)
{
	/* clang-format off */
	static const struct {
		u32 first;
		unsigned int count;
	} banks[] = {
		{ 0x10, 1 }, { 0x17, 1 }, { 0xc1, 8 }, { 0xe7, 2 }, { 0x186, 8 }, { 0x198, 4 },
		{ 0x1a0, 3 }, { 0x1ad, 1 }, { 0x1b0, 3 }, { 0x309, 4 }, { 0x345, 1 }, { 0x38d, 6 },
		{ 0x400, 128 }, { 0x600, 64 }, { 0x700, 100 }, { 0xe00, 60 },
		{ 0xc0010000, 8 }, { 0xc0010200, 12 }, { 0xc0010230, 12 }, { 0xc0010290, 4 },
		{ 0xc0011020, 4 },
	};
	/* clang-format on */
	unsigned int count = 0;
	u32 addrs[512];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(banks); i++)
		for (j = 0; j < banks[i].count; j++)
			addrs[count++] = banks[i].first + j;
	assert_short_probes(addrs, count);
}

TEST(addresses_in_no_order_need_few_probes, NULL, teardown)
{
	u32 addrs[4000];
	unsigned int i;

	random_state = 42;
	/* The low bits keep them distinct. */
	for (i = 0; i < ARRAY_SIZE(addrs); i++)
		addrs[i] = (u32)next_random() << 12 | i;
	assert_short_probes(addrs, ARRAY_SIZE(addrs));
}

TEST(the_longest_text_is_taken_with_all_its_entries, NULL, teardown)
{
	char *string = malloc(LONGEST_TEXT + 32);
	struct msr_table *table;
	unsigned int count = 0;
	size_t len = 0;
	size_t i;

	/* The shortest entries there are: decimal addresses, masks of one digit */
	for (;;) {
		size_t more = sprintf(string + len, "%u %u ", count, count % 10);

		if (len + more > LONGEST_TEXT)
			break;
		len += more;
		count++;
	}
	memset(string + len, '\n', LONGEST_TEXT - len);
	assert_true(count > 17000);

	assert_int_equal(check_bytes(string, LONGEST_TEXT), count);
	table = make(count);
	assert_false(IS_ERR(table));
	for (i = 0; i < count; i++) {
		const struct msr_allowlist_entry *entry = msr_index_find(&table->index, i);

		assert_ptr_equal(entry, &table->entries[i]);
		assert_int_equal(entry->msr, i);
		assert_int_equal(entry->wmask, i % 10);
	}
	assert_null(msr_index_find(&table->index, count));
	msr_table_put(table);
	free(string);
}

TEST(the_longest_text_of_one_entry_repeated_is_enotuniq, NULL, teardown)
{
	char *string = malloc(LONGEST_TEXT);
	unsigned int count = (LONGEST_TEXT + 1) / 4;
	unsigned int i;

	for (i = 0; i < LONGEST_TEXT; i++)
		string[i] = i % 2 ? ' ' : '1';
	string[LONGEST_TEXT - 1] = '\n';
	assert_int_equal(check_bytes(string, LONGEST_TEXT), count);
	assert_int_equal(PTR_ERR(make(count)), -ENOTUNIQ);
	free(string);
}

TEST(a_table_lives_until_its_last_reference_is_put, NULL, teardown)
{
	struct msr_table *table = table_of("1 2");

	kref_get(&table->ref);
	msr_table_put(table);
	assert_int_equal(table->entries[0].msr, 1);
	msr_table_put(table);
}

TEST(a_table_does_not_refer_to_its_text, NULL, teardown)
{
	struct msr_table *table = table_of("1 2\n3 4\n");

	forget_text();
	assert_int_equal(msr_index_find(&table->index, 3)->wmask, 4);
	msr_table_put(table);
}

/* Random text */

/*
 * What the specification makes of a text, said in another way: split it all into
 * tokens, then judge these one by one. Returns as msr_table_check() does.
 */
static int judge_text(const char *bytes, size_t len, unsigned int *line)
{
	unsigned int here = 1;
	unsigned int tokens = 0;
	size_t i = 0;

	*line = 1;
	if (memchr(bytes, '\0', len)) {
		for (i = 0; bytes[i]; i++)
			*line += bytes[i] == '\n';
		return -EINVAL;
	}
	while (i < len) {
		unsigned long long value;
		char token[512];
		size_t from = i;
		int err;

		if (isspace(bytes[i])) {
			here += bytes[i++] == '\n';
			continue;
		}
		if (bytes[i] == '#') {
			while (i < len && bytes[i] != '\n')
				i++;
			continue;
		}
		while (i < len && !isspace(bytes[i]))
			i++;
		snprintf(token, sizeof(token), "%.*s", (int)(i - from), bytes + from);
		err = kstrtoull(token, 0, &value);
		if (!err && tokens % 2 == 0 && value > U32_MAX)
			err = -ERANGE;
		/* A lone address is on this line, if the text ends before its mask. */
		if (err || tokens % 2 == 0)
			*line = here;
		if (err)
			return err;
		tokens++;
	}
	if (tokens % 2)
		return -EILSEQ;
	return tokens ? (int)tokens / 2 : -ENOMSG;
}

static bool listed_twice(const struct msr_allowlist_entry *entries, unsigned int count)
{
	unsigned int i, j;

	for (i = 0; i < count; i++)
		for (j = 0; j < i; j++)
			if (entries[i].msr == entries[j].msr)
				return true;
	return false;
}

/* One text, of bytes and fragments that lists are made of; NULs are rare. */
static size_t random_text(char *bytes, size_t room)
{
	static const char *const fragments[] = {
		" ",
		" ",
		" ",
		"\n",
		"\n",
		"\n",
		"\t",
		"\r\n",
		"\v",
		"\f",
		"\xa0",
		"# x",
		"#",
		" # 1 2\n",
		"0x",
		"0X1",
		"0x10",
		"017",
		"08",
		"9",
		"+1",
		"-1",
		"0",
		"0xffffffff",
		"0x100000000",
		"0xffffffffffffffff",
		"18446744073709551615",
		"18446744073709551616",
		"x",
		"a",
	};
	unsigned int wildness = next_random() % 8;
	unsigned int pieces = next_random() % 48;
	size_t len = 0;

	while (pieces-- && len + 64 < room) {
		uint64_t dice = next_random();
		const char *fragment = fragments[(dice >> 16) % ARRAY_SIZE(fragments)];

		if (dice % 16 < wildness && dice % 512 < 500) {
			memcpy(bytes + len, fragment, strlen(fragment));
			len += strlen(fragment);
		} else if (dice % 512 == 511) {
			bytes[len++] = dice >> 16;
		} else {
			len += snprintf(bytes + len, 64, dice & 0x10000 ? "%#x %#x\n" : "%u\t%u ",
					(unsigned int)(dice >> 20) % 65536,
					(unsigned int)(dice >> 40));
		}
	}
	return len;
}

TEST(random_text_is_judged_as_specified, NULL, teardown)
{
	clock_t end = clock() + 2 * CLOCKS_PER_SEC;
	unsigned int accepted = 0;
	unsigned int round;
	char bytes[2048];

	random_state = 0x6d73722d73616665;
	for (round = 0; round < 100000 && clock() < end; round++) {
		size_t len = random_text(bytes, sizeof(bytes));
		struct msr_table *table;
		unsigned int line;
		int expected = judge_text(bytes, len, &line);
		int count = check_bytes(bytes, len);

		if (count != expected || (count < 0 && count != -ENOMSG && text.line != line))
			fail_msg("round %u: %d on line %u, not %d on line %u", round, count,
				 text.line, expected, line);
		if (count < 0)
			continue;

		table = make(count);
		if (IS_ERR(table)) {
			assert_int_equal(PTR_ERR(table), -ENOTUNIQ);
			continue;
		}
		assert_int_equal(table->count, count);
		assert_false(listed_twice(table->entries, count));
		msr_table_put(table);
		accepted++;
	}
	assert_true(round > 1000);
	assert_true(accepted > round / 50);
}

TEST(random_bytes_are_survived, NULL, teardown)
{
	clock_t end = clock() + CLOCKS_PER_SEC;
	unsigned int round;
	char bytes[256];

	random_state = 0x616c6c6f776c6973;
	for (round = 0; round < 50000 && clock() < end; round++) {
		size_t len = next_random() % sizeof(bytes);
		unsigned int line;
		size_t i;

		for (i = 0; i < len; i++)
			bytes[i] = next_random() >> 8;
		assert_int_equal(check_bytes(bytes, len), judge_text(bytes, len, &line));
	}
}
