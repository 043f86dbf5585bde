// SPDX-License-Identifier: GPL-2.0-only
/*
 * The allowlist device.
 */

#include <time.h>

#include "guest.h"

#define HEADER "# MSR      Write mask\n"
#define MAX_TEXT 131073
#define MIN_READ 60

/* The list in force before a write that is refused, and what it reads back as */
#define OLD "0x402 0xff\n0x10 0\n"
static const char old_output[] = HEADER "0x00000402 0x00000000000000FF\n"
					"0x00000010 0x0000000000000000\n";

/* Unknown to QEMU: these read 0, and a write is ignored. */
#define MANY 4000
#define UNKNOWN(i) (0x20000 + 7 * (i))

/* Reads on to the end of the file; the caller frees it. */
static char *read_on(int fd, size_t chunk)
{
	size_t room = chunk + 1;
	char *text = malloc(room);
	size_t len = 0;
	ssize_t got;

	while ((got = read(fd, text + len, chunk)) > 0) {
		len += got;
		room += got;
		text = realloc(text, room);
	}
	text[len] = '\0';
	return got ? free(text), NULL : text;
}

static void assert_reads_on(int fd, size_t chunk, const char *expected)
{
	char *text = read_on(fd, chunk);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void assert_output(const char *expected)
{
	int fd = open_path(LIST_PATH, O_RDONLY);

	assert_reads_on(fd, 4096, expected);
	close(fd);
}

/* What write(2) of these bytes does, on a descriptor of their own */
/* The error of an access through the batch device, 0 if it succeeds */
static int read_error(uint32_t msr)
{
	struct msr_batch_op op = read_op(0, msr);

	run_batch(&op, 1);
	return op.err;
}

static int write_error(uint32_t msr)
{
	struct msr_batch_op op = write_op(0, msr, 0);

	run_batch(&op, 1);
	return op.err;
}

static void assert_old_in_force(void)
{
	assert_output(old_output);
	assert_int_equal(read_error(0x402), 0);
	assert_int_equal(write_error(0x402), 0);
	assert_int_equal(read_error(0x10), 0);
	assert_int_equal(write_error(0x10), -EROFS);
	assert_int_equal(read_error(STORE_B), -EACCES);
}

static void assert_nothing_listed(void)
{
	assert_output(HEADER);
	assert_int_equal(read_error(0x402), -EACCES);
	assert_int_equal(read_error(0x10), -EACCES);
}

/* In the first pass: the list before stays. */
static void assert_refused_bytes(const void *bytes, size_t len, int err)
{
	load_list(OLD);
	assert_fails(write_bytes(bytes, len), err);
	assert_old_in_force();
}

static void assert_refused(const char *text, int err)
{
	assert_refused_bytes(text, strlen(text), err);
}

/* In the second pass: nothing is listed any more. */
static void assert_twice(const char *text)
{
	load_list(OLD);
	assert_fails(write_list(text), ENOTUNIQ);
	assert_nothing_listed();
}

/* The log */

TEST(the_log_says_who_put_a_list_into_force, NULL, load_the_list)
{
	const struct timespec pause = { .tv_nsec = 500000000 };
	char message[96];
	int i;

	/* Only some of many are logged in five seconds. */
	for (i = 0; i < 15; i++) {
		mark_log();
		load_list("0x10 0\n0x402 1\n");
		snprintf(message, sizeof(message),
			 "msr_safe: allowlist written: entries 2, uid 0, pid %d\n", getpid());
		if (count_in_log(message) == 1)
			break;
		nanosleep(&pause, NULL);
	}
	assert_int_not_equal(i, 15);
	mark_log();
	load_list("\n");
	assert_int_equal(count_in_log("allowlist written: entries 0, uid 0"), 1);
	/* A list that is refused is not in force. */
	mark_log();
	assert_fails(write_list("0x10\n"), EILSEQ);
	assert_int_equal(count_in_log("allowlist written"), 0);
}

/*
 * The first tests, since messages are limited to a few in some seconds, and
 * those that the other tests cause would use these up.
 */
TEST(the_log_says_line_and_reason_of_a_syntax_error, clear_list, clear_list)
{
	static const struct {
		const char *text;
		const char *message;
	} wrong[] = {
		{ "0x10 0\nten 0\n", "line 2: address is not a number" },
		{ "0x10 0\n\n# a\n0x11 none\n", "line 4: write mask is not a number" },
		{ "0x10 0 0x100000000 0\n", "line 1: address over 32 bits" },
		{ "0x10 0\n0x11 0x10000000000000000\n", "line 2: write mask over 64 bits" },
		{ "0x10 0\n0x11\n\n", "line 2: address without a write mask" },
		{ "\n# nothing\n", "no entry" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		mark_log();
		assert_int_equal(write_list(wrong[i].text), -1);
		if (count_in_log(wrong[i].message) != 1)
			fail_msg("not logged once: %s", wrong[i].message);
	}
	mark_log();
	assert_fails(write_bytes("0x10 0\n0x11 0\n\0", 15), EINVAL);
	assert_int_equal(count_in_log("line 3: NUL byte"), 1);
}

TEST(the_log_says_line_and_reason_of_a_duplicate, clear_list, clear_list)
{
	mark_log();
	assert_fails(write_list("0x10 0\n# again\n16 0\n0x11 0\n"), ENOTUNIQ);
	assert_int_equal(count_in_log("line 3: address is listed twice"), 1);
}

TEST(the_log_says_that_a_list_is_too_long, clear_list, clear_list)
{
	static char text[131073 + 1];

	mark_log();
	assert_int_equal(write_bytes(text, sizeof(text)), -1);
	assert_int_equal(count_in_log("over 131073 bytes"), 1);
}

TEST(the_log_does_not_warn_of_a_good_list, clear_list, clear_list)
{
	mark_log();
	load_list(OLD);
	load_list("\n");
	assert_int_equal(count_in_log("allowlist lets"), 0);
	assert_int_equal(count_in_log("allowlist refused"), 0);
}

TEST(messages_are_limited_and_come_again_later, clear_list, clear_list)
{
	static const struct {
		const char *text;
		const char *message;
	} wrong[] = {
		{ "0x10\n", "without a write mask" },
		{ "0x10 0\n0x10 0\n", "listed twice" },
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		uint64_t start = now_ns();
		uint64_t seconds;

		mark_log();
		for (j = 0; j < 200; j++)
			assert_int_equal(write_list(wrong[i].text), -1);
		/* The kernel's default is 10 in 5 seconds. */
		seconds = (now_ns() - start) / UINT64_C(1000000000);
		assert_in_range(count_in_log(wrong[i].message), 0, 10 * (seconds / 5 + 2));
	}
	sleep(6);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		mark_log();
		assert_int_equal(write_list(wrong[i].text), -1);
		assert_int_equal(count_in_log(wrong[i].message), 1);
	}
}

/* Registers through which ring 0 can be taken over */
/* clang-format off */
static const struct {
	uint32_t msr;
	const char *name;
} takeover[] = {
	{ 0x1b, "APIC_BASE" },
	{ 0x3a, "FEATURE_CONTROL" },
	{ 0x79, "BIOS_UPDT_TRIG" },
	{ 0x174, "SYSENTER_CS" },
	{ 0x175, "SYSENTER_CS" },
	{ 0x176, "SYSENTER_CS" },
	{ 0x1d9, "DEBUGCTL" },
	{ 0x1f2, "SMRR" },
	{ 0x1f3, "SMRR" },
	{ 0x600, "DS_AREA" },
	{ 0xc0000080, "EFER" },
	{ 0xc0000081, "STAR" },
	{ 0xc0000082, "LSTAR" },
	{ 0xc0000083, "CSTAR" },
	{ 0xc0000084, "FMASK" },
	{ 0xc0000100, "FS_BASE" },
	{ 0xc0000101, "GS_BASE" },
	{ 0xc0000102, "KERNEL_GS_BASE" },
};
/* clang-format on */

/* How many messages with this text there are when this list is loaded */
static unsigned int messages(const char *list, const char *text)
{
	mark_log();
	load_list(list);
	return count_in_log(text);
}

TEST(a_dangerous_list_is_taken_with_one_warning_naming_its_registers, clear_list, clear_list)
{
	const char *list = "0x402 1\n0xC0000082 0x1000\n0x10 0\n0x176 0xffffffffffffffff\n";

	assert_int_equal(messages(list, "LSTAR"), 1);
	assert_int_equal(messages(list, "0x176 SYSENTER_CS, ESP, EIP"), 1);
	assert_int_equal(messages(list, "take over"), 1);
	assert_output(HEADER "0x00000402 0x0000000000000001\n"
			     "0xC0000082 0x0000000000001000\n"
			     "0x00000010 0x0000000000000000\n"
			     "0x00000176 0xFFFFFFFFFFFFFFFF\n");
}

TEST(each_dangerous_register_is_warned_of, clear_list, clear_list)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(takeover); i++) {
		char list[64];

		snprintf(list, sizeof(list), "%#x 1\n", takeover[i].msr);
		if (messages(list, takeover[i].name) != 1)
			fail_msg("not warned of once: %s", takeover[i].name);
	}
}

TEST(one_warning_names_all_dangerous_registers, clear_list, clear_list)
{
	char list[1024];
	size_t len = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(takeover); i++)
		len += snprintf(list + len, sizeof(list) - len, "%#x 1\n", takeover[i].msr);
	for (i = 0; i < ARRAY_SIZE(takeover); i++)
		assert_int_equal(messages(list, takeover[i].name), 1);
}

TEST(dangerous_registers_that_are_only_read_are_no_matter, clear_list, clear_list)
{
	char list[1024] = "0x402 0xffffffffffffffff\n";
	size_t len = strlen(list);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(takeover); i++)
		len += snprintf(list + len, sizeof(list) - len, "%#x 0\n", takeover[i].msr);
	assert_int_equal(messages(list, "allowlist lets"), 0);
}

/* A row of allowlists/tables/denied: registers, bits of them, and why no list has them */
struct denied {
	unsigned long long first, last;
	unsigned long long bits;
	bool warned;
};

static unsigned int read_denied(struct denied *rows, unsigned int most)
{
	FILE *file = fopen("allowlists/tables/denied", "r");
	unsigned int count = 0;
	char line[256], bits[32];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		struct denied *row = &rows[count];

		if (sscanf(line, "%llx", &row->first) != 1)
			continue;
		assert_true(count++ < most);
		if (sscanf(line, "%*[^. ]..%llx", &row->last) != 1)
			row->last = row->first;
		assert_int_equal(sscanf(line, "%*s %31s", bits), 1);
		row->bits = strcmp(bits, "all") == 0 ? UINT64_MAX : strtoull(bits, NULL, 16);
		row->warned = strstr(line, "  takeover  ") || strstr(line, "  memory  ");
	}
	fclose(file);
	return count;
}

static bool expect_warning(const struct denied *rows, unsigned int count, uint32_t msr,
			   uint64_t wmask)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (rows[i].warned && msr >= rows[i].first && msr <= rows[i].last &&
		    wmask & rows[i].bits)
			return true;
	return false;
}

TEST(a_denied_register_is_warned_of_when_the_table_says_takeover_or_memory, clear_list, clear_list)
{
	static struct denied rows[256];
	unsigned int count = read_denied(rows, ARRAY_SIZE(rows));
	unsigned int wrong = 0;
	unsigned int i, j;

	assert_true(count > 150);
	for (i = 0; i < count; i++) {
		const struct denied *row = &rows[i];
		/* Those that are denied; bits beside them; registers beside them */
		const struct {
			uint32_t msr;
			uint64_t wmask;
		} tries[] = {
			{ row->first, row->bits },     { row->last, row->bits },
			{ row->first, ~row->bits },    { row->first - 1, UINT64_MAX },
			{ row->last + 1, UINT64_MAX },
		};

		for (j = 0; j < ARRAY_SIZE(tries); j++) {
			char list[64];

			snprintf(list, sizeof(list), "%#x %#" PRIx64 "\n", tries[j].msr,
				 tries[j].wmask);
			if (messages(list, "take over") ==
			    expect_warning(rows, count, tries[j].msr, tries[j].wmask))
				continue;
			print_message("# %s", list);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

/* Of tables of the processor, of hypervisors, of SMM, of what the processor writes to memory */
TEST(registers_that_decide_what_memory_is_are_warned_of, clear_list, clear_list)
{
	static const uint32_t msrs[] = {
		0x12,	    0xED,	0x2C2,	    0x3F4,	0x835,	    0x83F,
		0xC80,	    0xDA0,	0x17D0,	    0x40000001, 0x40000083, 0x4B564D01,
		0x4B564D03, 0xC0010058, 0xC0010116, 0xC0010130,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		char list[32], named[48];

		snprintf(list, sizeof(list), "%#x 1\n", msrs[i]);
		snprintf(named, sizeof(named), "take over the kernel through: %#x ", msrs[i]);
		assert_int_equal(messages(list, named), 1);
	}
}

TEST(only_a_dangerous_list_taints_the_kernel, clear_list, clear_list)
{
	if (!is_out_of_spec()) {
		load_list("0x402 0xff\n0xc0000082 0\n");
		assert_false(is_out_of_spec());
	}
	load_list("0xc0000082 0xff\n");
	assert_true(is_out_of_spec());
}

TEST(a_writable_time_stamp_counter_is_warned_of, clear_list, clear_list)
{
	assert_int_equal(messages("0x10 0x1\n", "time stamp counter"), 1);
	assert_int_equal(messages("0x3b 0x1\n0x402 1\n", "time stamp counter"), 1);
	assert_int_equal(messages("0x10 0\n0x3b 0\n", "allowlist lets"), 0);
}

/* What is listed */

TEST(a_list_reads_back_in_one_format_and_in_its_order, clear_list, clear_list)
{
	load_list("# \"a list\"\r\n"
		  "\r\n"
		  "0x199\t0xffff # \"MSR_PERF_CTL\"\r\n"
		  "  16 0\r\n"
		  "0X00c1 0XFF 023 +0x10\r\n"
		  "0xFFFFFFFF # between\n"
		  "# address and mask\n"
		  "0xffffffffffffffff\v\f"
		  "0xabcdef 18446744073709551614");
	assert_output(HEADER "0x00000199 0x000000000000FFFF\n"
			     "0x00000010 0x0000000000000000\n"
			     "0x000000C1 0x00000000000000FF\n"
			     "0x00000013 0x0000000000000010\n"
			     "0xFFFFFFFF 0xFFFFFFFFFFFFFFFF\n"
			     "0x00ABCDEF 0xFFFFFFFFFFFFFFFE\n");
}

TEST(the_output_can_be_written_back, clear_list, clear_list)
{
	char *text;
	int fd;

	load_list(OLD);
	fd = open_path(LIST_PATH, O_RDONLY);
	text = read_on(fd, 4096);
	close(fd);
	load_list("\n");
	load_list(text);
	free(text);
	assert_old_in_force();
}

TEST(an_empty_list_reads_as_the_header_alone, clear_list, clear_list)
{
	assert_nothing_listed();
}

TEST(comments_are_not_preserved, clear_list, clear_list)
{
	load_list("# before\n0x402 0xff # \"MC0_ADDR\"\n0x10 0\n# after\n");
	assert_output(old_output);
}

TEST(a_write_returns_its_count, clear_list, clear_list)
{
	assert_int_equal(write_list(OLD), strlen(OLD));
	assert_int_equal(write_list(OLD "# and a comment"), strlen(OLD "# and a comment"));
	assert_int_equal(write_list("\n\n"), 2);
}

TEST(a_write_replaces_the_list_before, clear_list, clear_list)
{
	load_list("0x406 0xff\n");
	load_list(OLD);
	assert_old_in_force();
}

TEST(a_second_write_on_one_descriptor_replaces_the_first, clear_list, clear_list)
{
	int fd = open_path(LIST_PATH, O_WRONLY);

	assert_int_equal(write(fd, "0x406 0xff\n", 11), 11);
	assert_int_equal(write(fd, OLD, strlen(OLD)), strlen(OLD));
	close(fd);
	assert_old_in_force();
}

TEST(appending_replaces_as_well, clear_list, clear_list)
{
	int fd = open_path(LIST_PATH, O_WRONLY | O_APPEND);

	load_list("0x406 0xff\n");
	assert_int_equal(write(fd, OLD, strlen(OLD)), strlen(OLD));
	close(fd);
	assert_old_in_force();
}

TEST(opening_for_writing_changes_nothing, clear_list, clear_list)
{
	load_list(OLD);
	close(open_path(LIST_PATH, O_WRONLY | O_TRUNC));
	close(open_path(LIST_PATH, O_RDWR));
	assert_old_in_force();
}

TEST(one_or_two_bytes_of_white_space_clear_the_list, clear_list, clear_list)
{
	static const char *const clears[] = { "\n", " ", "\t", "\r\n", "\n\n", " \n" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(clears); i++) {
		load_list(OLD);
		load_list(clears[i]);
		assert_nothing_listed();
	}
}

TEST(echo_of_nothing_clears_the_list, clear_list, clear_list)
{
	load_list(OLD);
	assert_int_equal(system("echo > " LIST_PATH), 0);
	assert_nothing_listed();
}

/* Errors of write(2) */

TEST(text_without_an_entry_is_enomsg, clear_list, clear_list)
{
	assert_refused("\n\n\n", ENOMSG);
	assert_refused("   ", ENOMSG);
	assert_refused("#", ENOMSG);
	assert_refused("#\n", ENOMSG);
	assert_refused("# 0x10 0x0\n\n", ENOMSG);
	assert_refused("", ENOMSG);
}

TEST(an_address_without_a_mask_is_eilseq, clear_list, clear_list)
{
	assert_refused("0x406 0xff\n0x10\n", EILSEQ);
	assert_refused("1", EILSEQ);
}

TEST(what_is_not_a_number_is_einval, clear_list, clear_list)
{
	assert_refused("0x406 0xff\nMSR 0\n", EINVAL);
	assert_refused("0x406 0xff\n0x10 mask\n", EINVAL);
	assert_refused("0x406 -1\n", EINVAL);
	assert_refused("0x406 0xff#comment\n", EINVAL);
	assert_refused("x", EINVAL);
}

TEST(a_nul_byte_is_einval, clear_list, clear_list)
{
	assert_refused_bytes("0x406 0xff\n", 12, EINVAL);
	assert_refused_bytes("0x406\0000xff\n", 11, EINVAL);
	assert_refused_bytes("# a\0b\n0x406 0\n", 14, EINVAL);
	assert_refused_bytes("", 1, EINVAL);
}

TEST(a_number_that_is_too_large_is_erange, clear_list, clear_list)
{
	assert_refused("0x406 0xff\n0x100000000 0\n", ERANGE);
	assert_refused("0x406 0x10000000000000000\n", ERANGE);
	assert_refused("18446744073709551616 0\n", ERANGE);
}

TEST(memory_that_is_not_there_is_efault, clear_list, clear_list)
{
	long page = sysconf(_SC_PAGESIZE);
	char *memory =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;

	assert_ptr_not_equal(memory, MAP_FAILED);
	munmap(memory + page, page);
	memcpy(memory + page - 8, "0x406 1\n", 8);

	load_list(OLD);
	assert_fails(write_bytes(memory + page, 8), EFAULT);
	assert_fails(write_bytes(memory + page - 8, 16), EFAULT);
	assert_old_in_force();

	fd = open_path(LIST_PATH, O_RDONLY);
	assert_fails(read(fd, memory + page, 60), EFAULT);
	assert_fails(read(fd, memory + page, 4096), EFAULT);
	assert_reads_on(fd, 4096, old_output);
	close(fd);
	munmap(memory, page);
}

TEST(the_longest_text_is_131073_bytes, clear_list, clear_list)
{
	char *text = malloc(2 * MAX_TEXT);

	memset(text, '\n', 2 * MAX_TEXT);
	memcpy(text, OLD, strlen(OLD));
	assert_int_equal(write_bytes(text, MAX_TEXT), MAX_TEXT);
	assert_old_in_force();

	memcpy(text, "0x406", 5);
	assert_fails(write_bytes(text, MAX_TEXT + 1), E2BIG);
	assert_fails(write_bytes(text, 2 * MAX_TEXT), E2BIG);
	assert_old_in_force();
	free(text);
}

TEST(a_duplicate_is_enotuniq_and_empties_the_list, clear_list, clear_list)
{
	assert_twice("0x406 0\n0x402 0\n0x406 1\n");
	assert_twice("0x406 0\n1030 0\n");
	assert_twice("0x402 0xff\n0x10 0\n0x11 0\n020 0\n");
}

TEST(a_write_at_an_offset_is_espipe, clear_list, clear_list)
{
	int fd = open_path(LIST_PATH, O_WRONLY);

	load_list(OLD);
	assert_fails(pwrite(fd, "0x10 0", 6, 0), ESPIPE);
	assert_fails(pwrite(fd, "0x10 0", 6, 8), ESPIPE);
	assert_output(old_output);
	close(fd);
}

/* read(2) and llseek(2) */

TEST(a_read_of_under_60_bytes_is_e2big, clear_list, clear_list)
{
	char text[4096];
	size_t size;
	int fd;

	load_list(OLD);
	fd = open_path(LIST_PATH, O_RDONLY);
	for (size = 0; size < MIN_READ; size++)
		assert_fails(read(fd, text, size), E2BIG);
	assert_reads_on(fd, 4096, old_output);
	assert_fails(read(fd, text, MIN_READ - 1), E2BIG);
	assert_int_equal(read(fd, text, MIN_READ), 0);
	close(fd);
}

TEST(reads_of_60_bytes_give_the_whole_list, clear_list, clear_list)
{
	char text[MIN_READ];
	int fd;

	fd = open_path(LIST_PATH, O_RDONLY);
	assert_reads_on(fd, MIN_READ, HEADER);
	close(fd);

	load_list(OLD);
	fd = open_path(LIST_PATH, O_RDONLY);
	assert_true(read(fd, text, MIN_READ) > 0);
	lseek(fd, 0, SEEK_SET);
	assert_reads_on(fd, MIN_READ, old_output);
	close(fd);
}

TEST(the_file_can_be_sought_in_and_read_again, clear_list, clear_list)
{
	const off_t header = strlen(HEADER);
	int fd;

	load_list(OLD);
	fd = open_path(LIST_PATH, O_RDONLY);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	assert_reads_on(fd, MIN_READ, old_output);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), strlen(old_output));

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_reads_on(fd, 4096, old_output);

	assert_int_equal(lseek(fd, header, SEEK_SET), header);
	assert_reads_on(fd, 4096, old_output + header);

	assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
	assert_int_equal(lseek(fd, header + 5, SEEK_CUR), header + 7);
	assert_reads_on(fd, MIN_READ, old_output + header + 7);
	assert_int_equal(lseek(fd, -10, SEEK_CUR), strlen(old_output) - 10);
	assert_reads_on(fd, MIN_READ, old_output + strlen(old_output) - 10);
	close(fd);
}

TEST(pread_reads_from_where_it_is_told, clear_list, clear_list)
{
	char text[256];
	int fd;

	load_list(OLD);
	fd = open_path(LIST_PATH, O_RDONLY);
	assert_int_equal(pread(fd, text, sizeof(text), 22), strlen(old_output) - 22);
	assert_memory_equal(text, old_output + 22, strlen(old_output) - 22);
	assert_reads_on(fd, 4096, old_output);
	close(fd);
}

TEST(other_ways_of_seeking_are_einval, clear_list, clear_list)
{
	int fd;

	load_list(OLD);
	fd = open_path(LIST_PATH, O_RDONLY);
	assert_fails(lseek(fd, 0, SEEK_END), EINVAL);
	assert_fails(lseek(fd, -1, SEEK_END), EINVAL);
	assert_fails(lseek(fd, 0, SEEK_DATA), EINVAL);
	assert_fails(lseek(fd, 0, SEEK_HOLE), EINVAL);
	assert_fails(lseek(fd, -1, SEEK_SET), EINVAL);
	assert_reads_on(fd, 4096, old_output);
	close(fd);
}

TEST(an_open_descriptor_reads_the_list_it_was_opened_on, clear_list, clear_list)
{
	char first[MIN_READ];
	char *rest;
	ssize_t got;
	int fd;

	load_list(OLD);
	fd = open_path(LIST_PATH, O_RDONLY);
	load_list("0x406 0\n");
	assert_reads_on(fd, MIN_READ, old_output);

	lseek(fd, 0, SEEK_SET);
	got = read(fd, first, MIN_READ);
	assert_true(got > 0);
	assert_memory_equal(first, old_output, got);
	load_list("0x407 1\n0x408 2\n0x409 3\n0x40a 4\n");
	load_list("\n");
	rest = read_on(fd, MIN_READ);
	assert_non_null(rest);
	assert_string_equal(rest, old_output + got);
	free(rest);
	close(fd);
	assert_output(HEADER);
}

/* Long lists */

static uint64_t mask_of(unsigned int i)
{
	return i % 5 ? (i + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15) : 0;
}

/* The texts of a list of MANY, as it is written and as it is read */
static void many(char **list, char **output)
{
	size_t in, out;
	unsigned int i;

	*list = malloc(MANY * 32);
	*output = malloc(MANY * 32 + 64);
	in = 0;
	out = sprintf(*output, HEADER);
	for (i = 0; i < MANY; i++) {
		in += sprintf(*list + in, "%#x %#" PRIx64 "\n", UNKNOWN(i), mask_of(i));
		out += sprintf(*output + out, "0x%08X 0x%016" PRIX64 "\n", UNKNOWN(i), mask_of(i));
	}
}

TEST(thousands_of_entries_read_back, clear_list, clear_list)
{
	char *list, *output;
	int fd;

	many(&list, &output);
	load_list(list);
	assert_output(output);
	fd = open_path(LIST_PATH, O_RDONLY);
	load_list(OLD);
	assert_reads_on(fd, MIN_READ, output);
	lseek(fd, 0, SEEK_SET);
	assert_reads_on(fd, 200000, output);
	close(fd);
	free(list);
	free(output);
}

/* Listed ones and, between them, others that are not; reads and then writes */
TEST(thousands_of_entries_are_each_judged_in_a_batch, clear_list, clear_list)
{
	static struct msr_batch_op ops[4 * MANY];
	unsigned int cpus = cpus_online();
	char *list, *output;
	unsigned int i;

	many(&list, &output);
	load_list(list);
	free(list);
	free(output);

	for (i = 0; i < MANY; i++) {
		ops[4 * i] = read_op(i % cpus, UNKNOWN(i));
		ops[4 * i + 1] = write_op(i % cpus, UNKNOWN(i), 0);
		ops[4 * i + 2] = read_op(i % cpus, UNKNOWN(i) + 1 + i % 6);
		ops[4 * i + 3] = write_op(i % cpus, UNKNOWN(i) + 1 + i % 6, 0);
	}
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i].wmask = 0x5555;
	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), EROFS);

	for (i = 0; i < MANY; i++) {
		const struct msr_batch_op *op = &ops[4 * i];
		int of_write = mask_of(i) ? 0 : -EROFS;

		if (op[0].err || op[0].wmask != mask_of(i) || op[1].err != of_write ||
		    op[1].wmask != mask_of(i))
			fail_msg("%#x: %d %d", UNKNOWN(i), op[0].err, op[1].err);
		if (op[2].err != -EACCES || op[2].wmask || op[3].err != -EACCES || op[3].wmask)
			fail_msg("%#x is not listed: %d %d", op[2].msr, op[2].err, op[3].err);
	}
}

TEST(thousands_of_entries_are_each_judged_by_pread, clear_list, clear_list)
{
	int fd = open_cpu(1, "msr_safe", O_RDONLY);
	char *list, *output;
	unsigned int i;
	uint64_t value;

	assert_true(fd >= 0);
	many(&list, &output);
	load_list(list);
	free(list);
	free(output);
	for (i = 0; i < MANY; i++) {
		assert_int_equal(pread(fd, &value, 8, UNKNOWN(i)), 8);
		assert_fails(pread(fd, &value, 8, UNKNOWN(i) + 1), EACCES);
	}
	close(fd);
}

TEST(as_many_entries_as_the_longest_text_holds_are_taken, clear_list, clear_list)
{
	char *list = malloc(MAX_TEXT + 32);
	char *output = malloc(20000 * 30 + 64);
	size_t out = sprintf(output, HEADER);
	unsigned int count = 0;
	size_t in = 0;

	for (;;) {
		int more = sprintf(list + in, "%u %u ", count, count % 10);

		if (in + more > MAX_TEXT)
			break;
		in += more;
		out += sprintf(output + out, "0x%08X 0x%016X\n", count, count % 10);
		count++;
	}
	memset(list + in, ' ', MAX_TEXT - in);
	assert_int_equal(write_bytes(list, MAX_TEXT), MAX_TEXT);
	assert_output(output);
	free(list);
	free(output);
}

/* Accesses under a list */

TEST(the_mask_of_a_batch_is_that_of_the_list, clear_list, clear_list)
{
	struct msr_batch_op ops[] = {
		read_op(0, STORE_A),
		write_op(0, STORE_A, 0),
		read_op(0, 0x10),
		read_op(0, STORE_B),
	};

	load_list("0x402 0x0123456789abcdef\n0x10 0\n");
	assert_fails(run_batch(ops, ARRAY_SIZE(ops)), EACCES);
	assert_true(ops[0].wmask == 0x0123456789abcdef && ops[0].err == 0);
	assert_true(ops[1].wmask == 0x0123456789abcdef && ops[1].err == 0);
	assert_true(ops[2].wmask == 0 && ops[2].err == 0);
	assert_true(ops[3].wmask == 0 && ops[3].err == -EACCES);
}

TEST(a_new_list_counts_for_descriptors_that_are_open, clear_list, clear_list)
{
	int cpu = open_cpu(0, "msr_safe", O_RDWR);
	int batch = open_path(BATCH_PATH, O_RDONLY);
	struct msr_batch_op op = read_op(0, STORE_A);
	uint64_t value = 0;

	assert_fails(pread(cpu, &value, 8, STORE_A), EACCES);
	load_list("0x402 0xff\n");
	assert_int_equal(pread(cpu, &value, 8, STORE_A), 8);
	assert_int_equal(pwrite(cpu, &value, 8, STORE_A), 8);
	assert_int_equal(run_batch_fd(batch, &op, 1), 0);
	load_list("0x402 0\n");
	assert_int_equal(pread(cpu, &value, 8, STORE_A), 8);
	assert_fails(pwrite(cpu, &value, 8, STORE_A), EACCES);
	load_list("\n");
	assert_fails(pread(cpu, &value, 8, STORE_A), EACCES);
	assert_fails(run_batch_fd(batch, &op, 1), EACCES);
	close(batch);
	close(cpu);
}

/* Users with access */

TEST(the_node_is_for_root_alone, clear_list, clear_list)
{
	struct stat st;

	assert_int_equal(stat(LIST_PATH, &st), 0);
	assert_int_equal(st.st_mode, S_IFCHR | 0600);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, 0);
}

static int open_error(void *flags)
{
	return open(LIST_PATH, *(int *)flags) < 0 ? errno : 0;
}

static void assert_user_opens(int flags, int expected)
{
	assert_int_equal(in_child(true, open_error, &flags), expected);
}

static int node_for_root(void **state)
{
	(void)state;
	return chmod(LIST_PATH, 0600);
}

TEST(a_user_without_file_permission_gets_eacces, clear_list, node_for_root)
{
	assert_user_opens(O_RDONLY, EACCES);
	assert_user_opens(O_WRONLY, EACCES);
	assert_user_opens(O_RDWR, EACCES);

	assert_int_equal(chmod(LIST_PATH, 0604), 0);
	assert_user_opens(O_RDONLY, 0);
	assert_user_opens(O_WRONLY, EACCES);
	assert_int_equal(chmod(LIST_PATH, 0602), 0);
	assert_user_opens(O_RDONLY, EACCES);
	assert_user_opens(O_WRONLY, 0);
}

static int write_then_read(void *arg)
{
	char text[4096] = "";
	int fd = open(LIST_PATH, O_RDWR);

	(void)arg;
	if (fd < 0 || write(fd, OLD, strlen(OLD)) != (ssize_t)strlen(OLD))
		return 1;
	fd = open(LIST_PATH, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text)) != (ssize_t)strlen(old_output))
		return 2;
	return strcmp(text, old_output) ? 3 : 0;
}

TEST(a_user_with_file_permission_needs_nothing_else, clear_list, node_for_root)
{
	assert_int_equal(chmod(LIST_PATH, 0666), 0);
	assert_int_equal(in_child(true, write_then_read, NULL), 0);
	assert_old_in_force();
}

TEST(a_descriptor_does_what_it_was_opened_for, clear_list, clear_list)
{
	char text[4096];
	int fd;

	load_list(OLD);
	fd = open_path(LIST_PATH, O_WRONLY);
	assert_fails(read(fd, text, sizeof(text)), EBADF);
	close(fd);
	fd = open_path(LIST_PATH, O_RDONLY);
	assert_fails(write(fd, "\n", 1), EBADF);
	close(fd);
	assert_old_in_force();
}

/* All at once */

#define LISTS 4
#define BUSY_NS (2 * UINT64_C(1000000000))

/* List n has STORE_A, STORE_B and others, all with the mask n + 1. */
static char *swapped[LISTS];
static char *swapped_output[LISTS];

static void make_swapped(void)
{
	static const unsigned int others[LISTS] = { 0, 30, 300, 1500 };
	unsigned int n, i;

	for (n = 0; n < LISTS; n++) {
		char *list = malloc(others[n] * 32 + 256);
		char *output = malloc(others[n] * 32 + 256);
		size_t in = sprintf(list, "%#x %u\n", STORE_A, n + 1);
		size_t out = sprintf(output, HEADER "0x%08X 0x%016X\n", STORE_A, n + 1);

		for (i = 0; i < others[n]; i++) {
			in += sprintf(list + in, "%#x %u\n", UNKNOWN(i), n + 1);
			out += sprintf(output + out, "0x%08X 0x%016X\n", UNKNOWN(i), n + 1);
		}
		sprintf(list + in, "%#x %u\n", STORE_B, n + 1);
		sprintf(output + out, "0x%08X 0x%016X\n", STORE_B, n + 1);
		swapped[n] = list;
		swapped_output[n] = output;
	}
}

static void free_swapped(void)
{
	unsigned int n;

	for (n = 0; n < LISTS; n++) {
		free(swapped[n]);
		free(swapped_output[n]);
	}
}

/* Writes all lists in turn, clears the list, and makes errors of both passes. */
static int keep_writing(unsigned int i)
{
	const char *list = swapped[i % LISTS];

	if (write_list(list) != (ssize_t)strlen(list))
		return 1;
	if (i % 7 == 0 && write_list("\n") != 1)
		return 2;
	if (i % 5 == 0 && (write_list("0x402 0\n0x402 0\n") != -1 || errno != ENOTUNIQ))
		return 3;
	if (i % 3 == 0 && (write_list("0x402\n") != -1 || errno != EILSEQ))
		return 4;
	return 0;
}

static int keep_reading(unsigned int i)
{
	int fd = open(LIST_PATH, O_RDONLY);
	char *text = fd < 0 ? NULL : read_on(fd, MIN_READ + i * 37 % 2000);
	bool known;
	unsigned int n;

	if (!text)
		return 10;
	known = !strcmp(text, HEADER);
	for (n = 0; n < LISTS; n++)
		known |= !strcmp(text, swapped_output[n]);
	free(text);
	close(fd);
	return known ? 0 : 11;
}

/* Both registers are judged by one list, though it was changed in between. */
static int keep_accessing(unsigned int i)
{
	struct msr_batch_op ops[200];
	struct msr_batch_array batch = {
		.numops = ARRAY_SIZE(ops),
		.version = MSR_SAFE_VERSION_u32,
		.ops = ops,
	};
	int fd = open(BATCH_PATH, O_RDONLY);
	unsigned int n;
	int result;

	for (n = 0; n < ARRAY_SIZE(ops); n++)
		ops[n] = read_op((n + i) % 2, n % 2 ? STORE_A : STORE_B);
	result = ioctl(fd, X86_IOC_MSR_BATCH, &batch);
	if (result && errno != EACCES)
		return 20;
	close(fd);
	for (n = 0; n < ARRAY_SIZE(ops); n++)
		if (ops[n].wmask != ops[0].wmask || ops[n].wmask > LISTS ||
		    ops[n].err != (ops[0].wmask ? 0 : -EACCES))
			return 21;
	return 0;
}

TEST(every_reader_sees_one_whole_list_while_writers_replace_it, clear_list, clear_list)
{
	static int (*const works[])(unsigned int i) = {
		keep_writing, keep_reading, keep_accessing,
		keep_writing, keep_reading, keep_accessing,
	};
	pid_t pids[ARRAY_SIZE(works)];
	unsigned int failed = 0;
	unsigned int i;

	make_swapped();
	for (i = 0; i < ARRAY_SIZE(works); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			uint64_t end = now_ns() + BUSY_NS;
			unsigned int round;
			int result = 0;

			for (round = i; !result && (now_ns() < end || round < i + 5); round++)
				result = works[i](round);
			_exit(result);
		}
	}
	for (i = 0; i < ARRAY_SIZE(works); i++) {
		int status;

		if (waitpid(pids[i], &status, 0) != pids[i] || status) {
			print_message("# process %u: status %#x\n", i, status);
			failed++;
		}
	}
	free_swapped();
	assert_int_equal(failed, 0);
}
